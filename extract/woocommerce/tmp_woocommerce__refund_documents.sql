-- tmp_woocommerce__refund_documents: refunds as the documents whose lines are read. What a rate is comes from the order, by way of the
-- key: a refund names rates by ID only.

with

items as (

    select
        blob_id, key, generate_subscripts(list, 1) - 1 as position, unnest(list) as o
    from (
        select blob_id, key, from_json(case json_type(body) when 'ARRAY' then body else json_array(body) end, '[{"id": "VARCHAR",
            "line_items": [{"name": "VARCHAR", "method_title": "VARCHAR", "quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}], "meta_data": [{"key": "VARCHAR"}]}],
            "shipping_lines": [{"name": "VARCHAR", "method_title": "VARCHAR", "quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}], "meta_data": [{"key": "VARCHAR"}]}],
            "fee_lines": [{"name": "VARCHAR", "method_title": "VARCHAR", "quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}], "meta_data": [{"key": "VARCHAR"}]}]}]') as list
        from raw
    )

)

select
    blob_id, o.id as ref, split_part(substr(key, length('refunds/') + 1), '?', 1) as order_id, o, -1 as sign,
    woo_param(key, 'currency') as currency, woo_param(key, 'country') as country, woo_param(key, 'rates') as stated_rates
from items
where o.id is not null
qualify row_number() over (partition by o.id order by blob_id desc, position desc) = 1
