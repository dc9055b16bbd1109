-- tmp_woocommerce__order_documents: orders as the documents whose lines are read, with the gift cards that were used: they are in no
-- line, the total is lower by them.

select
    blob_id, o.id as ref, o.id as order_id, o, 1 as sign, upper(o.currency) as currency, woo_country(key, o.shipping.country, o.billing.country) as country,
    coalesce(list_aggregate(list_transform(coalesce(o.gift_cards, o.pw_gift_cards, []), g -> abs(woo_decimal(g.amount))), 'sum'), 0)::decimal(21, 8)
        + coalesce(list_aggregate(flatten(list_transform(list_filter(coalesce(o.meta_data, []), m -> m.key = '_ywgc_applied_gift_cards'),
            m -> list_transform(coalesce(from_json(try_cast(m.value as json), '["VARCHAR"]'), map_values(from_json(try_cast(m.value as json), '"MAP(VARCHAR, VARCHAR)"')), []), v -> abs(woo_decimal(v))))), 'sum'), 0)::decimal(21, 8) as given
from woo_orders
where o.id is not null
