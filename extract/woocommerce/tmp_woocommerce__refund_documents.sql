-- tmp_woocommerce__refund_documents: refunds, each in its newest version, as the documents whose lines are read. What a rate is comes
-- from the order, by way of the key: a refund names rates by ID only.

with

pages as (

    select
        blob_id, case when woo_is_list(body) then body else json_array(body) end as list, split_part(substr(key, length('refunds/') + 1), '?', 1) as order_id,
        woo_param(key, 'currency') as currency, woo_param(key, 'country') as country, woo_param(key, 'rates') as stated_rates, woo_param(key, 'number') as number, woo_param(key, 'payments') as payments
    from raw

),

newest as (

    select blob_id, position
    from (
        select blob_id, generate_subscripts(ids, 1) - 1 as position, unnest(ids).id as id
        from (select blob_id, from_json(list, '[{"id": "VARCHAR"}]') as ids from pages)
    )
    where id is not null
    qualify row_number() over (partition by id order by blob_id desc, position desc) = 1

),

items as (

    select
        * exclude (list), generate_subscripts(list, 1) - 1 as position, unnest(list) as o
    from (
        select * replace (from_json(list, '[{"id": "VARCHAR", "transaction_id": "VARCHAR", "meta_data": [{"key": "VARCHAR", "value": "VARCHAR"}],
            "line_items": [{"quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}], "meta_data": [{"key": "VARCHAR"}]}],
            "shipping_lines": [{"quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}]}],
            "fee_lines": [{"name": "VARCHAR", "quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}]}]}]') as list)
        from pages
    )

)

select * exclude (position), o.id as ref, -1 as sign
from items semi join newest using (blob_id, position)
