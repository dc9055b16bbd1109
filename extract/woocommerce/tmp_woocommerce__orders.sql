-- tmp_woocommerce__orders: the orders of all pages, each in its newest version, with what the models of documents, lines and keys
-- read of them.
--
-- Key:   blob_id, locator; ref is the order's ID, null where it has none
-- given: the gift cards that were used: they are in no line, the total is lower by them
--
-- A page is parsed twice: which order is the newest is decided by the IDs alone, so that the orders, which are large, go straight
-- to where they are kept. What the page's key says is read once a page.

with

pages as (

    select
        blob_id, woo_is_list(body) as is_list, case when woo_is_list(body) then body else json_array(body) end as list,
        woo_param(key, 'vat_country') as vat_country, woo_delivered_when(key) as delivered_when
    from raw

),

-- A mark for each order of a page, in its order: a join with the orders themselves would copy them.
marked as (

    select blob_id, list(is_newest order by position) as marks
    from (
        select blob_id, position, row_number() over (partition by coalesce(id, blob_id || '#' || position) order by blob_id desc, position desc) = 1 as is_newest
        from (
            select blob_id, generate_subscripts(ids, 1) - 1 as position, unnest(ids).id as id
            from (select blob_id, from_json(list, '[{"id": "VARCHAR"}]') as ids from pages)
        )
    )
    group by blob_id

),

items as (

    select
        blob_id, is_list, vat_country, delivered_when, generate_subscripts(list, 1) - 1 as position, unnest(marks) as is_newest, unnest(list) as o
    from (
        select * replace (from_json(list, '[{"id": "VARCHAR", "number": "VARCHAR", "status": "VARCHAR", "currency": "VARCHAR", "total": "VARCHAR",
            "date_created": "VARCHAR", "date_created_gmt": "VARCHAR", "date_modified": "VARCHAR", "date_modified_gmt": "VARCHAR", "date_paid": "VARCHAR", "date_paid_gmt": "VARCHAR",
            "date_completed": "VARCHAR", "date_completed_gmt": "VARCHAR", "payment_method": "VARCHAR", "transaction_id": "VARCHAR", "order_key": "VARCHAR",
            "shipping": {"country": "VARCHAR"}, "billing": {"country": "VARCHAR"}, "refunds": [{"id": "VARCHAR"}],
            "tax_lines": [{"rate_id": "VARCHAR", "rate_percent": "VARCHAR", "compound": "VARCHAR"}],
            "gift_cards": [{"amount": "VARCHAR"}], "pw_gift_cards": [{"amount": "VARCHAR"}], "meta_data": [{"key": "VARCHAR", "value": "VARCHAR"}],
            "line_items": [{"quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}], "meta_data": [{"key": "VARCHAR"}]}],
            "shipping_lines": [{"quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}]}],
            "fee_lines": [{"name": "VARCHAR", "quantity": "VARCHAR", "sku": "VARCHAR", "product_id": "VARCHAR", "method_id": "VARCHAR", "total": "VARCHAR", "total_tax": "VARCHAR", "taxes": [{"id": "VARCHAR", "total": "VARCHAR"}]}]}]') as list)
        from pages
        inner join marked using (blob_id)
    )

)

select
    blob_id,
    case when is_list then '$[' || position || ']' else '$' end as locator,
    o.id as ref,
    o.id as order_id,
    1 as sign,
    upper(o.currency) as currency,
    woo_country(vat_country, o.shipping.country, o.billing.country) as country,
    delivered_when,
    coalesce(list_aggregate(list_transform(coalesce(o.gift_cards, o.pw_gift_cards, []), g -> abs(woo_decimal(g.amount))), 'sum'), 0)::decimal(21, 8)
        + coalesce(list_aggregate(flatten(list_transform(list_filter(coalesce(o.meta_data, []), m -> m.key = '_ywgc_applied_gift_cards'),
            m -> list_transform(coalesce(from_json(try_cast(m.value as json), '["VARCHAR"]'), map_values(from_json(try_cast(m.value as json), '"MAP(VARCHAR, VARCHAR)"')), []), v -> abs(woo_decimal(v))))), 'sum'), 0)::decimal(21, 8) as given,
    o
from items
where is_newest
