-- tmp_woocommerce__refund_rates: the rates of a refund's order.

select ref, split_part(r, ':', 1) as rate_id, try_cast(split_part(r, ':', 2) as integer) as rate_bp, split_part(r, ':', 3) = 'c' as compound
from (select ref, unnest(string_split(stated_rates, ',')) as r from woo_documents where stated_rates <> '')
where try_cast(split_part(r, ':', 2) as integer) is not null
