-- tmp_woocommerce__order_rates: the rates that an order states in its tax_lines (rate_percent, in newer versions).

select ref, t.rate_id as rate_id, woo_minor(woo_decimal(t.rate_percent), 'SEK')::integer as rate_bp, coalesce(lower(t.compound) in ('true', '1', 'yes'), false) as compound
from (select ref, unnest(o.tax_lines) as t from woo_documents where ref is not null)
where woo_decimal(t.rate_percent) is not null
qualify row_number() over (partition by ref, t.rate_id) = 1
