-- tmp_woocommerce__orders: the orders of all pages, each in its newest version; read by the models of documents, their lines and keys.
-- A page is parsed once, with what all three need. What stands where is decided without the orders themselves, which are large.

with

items as materialized (

    select
        blob_id, key, is_list, generate_subscripts(list, 1) - 1 as position, unnest(list) as o
    from (
        select blob_id, key, json_type(body) = 'ARRAY' as is_list,
            from_json(case json_type(body) when 'ARRAY' then body else json_array(body) end, '[{"id": "VARCHAR", "number": "VARCHAR", "status": "VARCHAR", "currency": "VARCHAR", "total": "VARCHAR",
            "date_created": "VARCHAR", "date_created_gmt": "VARCHAR", "date_modified": "VARCHAR", "date_modified_gmt": "VARCHAR", "date_paid": "VARCHAR", "date_paid_gmt": "VARCHAR",
            "date_completed": "VARCHAR", "date_completed_gmt": "VARCHAR", "payment_method": "VARCHAR", "transaction_id": "VARCHAR", "order_key": "VARCHAR",
            "shipping": {"country": "VARCHAR"}, "billing": {"country": "VARCHAR"}, "refunds": [{"id": "VARCHAR"}],
            "tax_lines": [{"rate_id": "VARCHAR", "rate_percent": "VARCHAR", "compound": "VARCHAR"}],
            "gift_cards": [{"amount": "VARCHAR"}], "pw_gift_cards": [{"amount": "VARCHAR"}], "meta_data": [{"key": "VARCHAR", "value": "VARCHAR"}],
            "line_items": [{"name": "VARCHAR", "method_title": "VARCHAR", "quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}], "meta_data": [{"key": "VARCHAR"}]}],
            "shipping_lines": [{"name": "VARCHAR", "method_title": "VARCHAR", "quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}], "meta_data": [{"key": "VARCHAR"}]}],
            "fee_lines": [{"name": "VARCHAR", "method_title": "VARCHAR", "quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}], "meta_data": [{"key": "VARCHAR"}]}]}]') as list
        from raw
    )

),

newest as (

    select blob_id, position
    from (select blob_id, position, o.id as id from items)
    qualify row_number() over (partition by coalesce(id, blob_id || '#' || position) order by blob_id desc, position desc) = 1

)

select * from items semi join newest using (blob_id, position)
