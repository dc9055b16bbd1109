-- How WooCommerce writes amounts and times, and what the models of orders and of refunds share.
--
-- Source: https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties

-- A decimal in a text, up to eight places; '' and whatever is none is null.
create or replace temp macro woo_decimal(t) as
    case when regexp_full_match(trim(t), '[-+]?([0-9]{1,13}(\.[0-9]*)?|\.[0-9]+)([eE]-?[0-9]{1,2})?') 
        -- of 21 digits, and read as one of 18 where that is enough: sixty times faster
        then coalesce(try_cast(trim(t) as decimal(18, 8))::decimal(21, 8), try_cast(trim(t) as decimal(21, 8))) end;

-- A decimal in minor units, halves away from zero.
create or replace temp macro woo_minor(d, cur) as
    try_cast(round(d * case exponent(cur) when 2 then 100 when 0 then 1 else 1000 end) as bigint);

-- A time in UTC. Those ending in _gmt come without a zone, some plugins write one.
create or replace temp macro woo_time(t) as
    case when regexp_matches(t, '(Z|[+-][0-9]{2}:?[0-9]{2})$') then try_cast(t as timestamptz) at time zone 'UTC' else try_cast(t as timestamp) end;

-- What the connector wrote into the key of an answer, '' if nothing.
create or replace temp macro woo_param(key, name) as
    url_decode(replace(regexp_extract(key, '[?&]' || name || '=([^&]*)', 1), '+', '%20'));

-- Whether an answer is a page of things; else it is one thing. Of what is JSON the first sign says so.
create or replace temp macro woo_is_list(body) as regexp_matches(body::varchar, '^[ \t\r\n]*\[');

-- The statuses in which an order is delivered: a setting, because the API has no shipments.
create or replace temp macro woo_delivered_when(key) as
    string_split(coalesce(nullif(woo_param(key, 'delivered'), ''), 'completed'), ',');

-- Where VAT is due: where the goods go, unless the shop calculates tax based on something else, by the key's vat_country.
create or replace temp macro woo_country(vat_country, shipping, billing) as
    upper(case vat_country
        when '' then coalesce(nullif(trim(shipping), ''), nullif(trim(billing), ''))
        when 'billing' then coalesce(nullif(trim(billing), ''), nullif(trim(shipping), ''))
        else vat_country
    end);

-- The VAT rates of a country, in basis points, for rates that an order does not state: rates of the last years too,
-- because orders are that old. Source: Directive 2006/112/EC and national law, as of 2026.
create or replace temp macro woo_legal_rates(country) as
    case country
        when 'SE' then [2500, 1200, 600] when 'DK' then [2500] when 'FI' then [2550, 2400, 1400, 1350, 1000] when 'NO' then [2500, 1500, 1200]
        when 'DE' then [1900, 700, 1600, 500] when 'AT' then [2000, 1000, 1300, 1900] when 'BE' then [2100, 600, 1200] when 'NL' then [2100, 900]
        when 'FR' then [2000, 1000, 550, 210] when 'IT' then [2200, 1000, 500, 400] when 'ES' then [2100, 1000, 400, 500] when 'PT' then [2300, 1300, 600]
        when 'IE' then [2300, 1350, 900, 480] when 'LU' then [1700, 1600, 1400, 1300, 800, 700, 300] when 'EE' then [2400, 2200, 2000, 1300, 900, 500]
        when 'LV' then [2100, 1200, 500] when 'LT' then [2100, 1200, 900, 500] when 'PL' then [2300, 800, 500] when 'CZ' then [2100, 1200, 1500, 1000]
        when 'SK' then [2300, 2000, 1900, 1000, 500] when 'HU' then [2700, 1800, 500] when 'SI' then [2200, 950, 500] when 'HR' then [2500, 1300, 500]
        when 'RO' then [2100, 1900, 1100, 900, 500] when 'BG' then [2000, 900] when 'GR' then [2400, 1300, 600] when 'CY' then [1900, 900, 500, 300]
        when 'MT' then [1800, 1200, 700, 500] when 'GB' then [2000, 500] when 'CH' then [810, 380, 260]
        else []::integer[]
    end;

-- The rate that tax on net is, both at eight places: the country's own where one is meant within what rounding each of n
-- amounts can do, else the quotient, which no [[sales]] row will have: such a sale is held and says so.
create or replace temp macro woo_rate(country, net, tax, n) as
    case when net = 0 or tax = 0 then 0 else coalesce(
        list_filter(list_sort(list_transform(woo_legal_rates(country), r -> {'off': abs(tax::decimal(25, 8) * 10000 - net::decimal(25, 8) * r), 'rate': r})),
            x -> x.off <= n * 100)[1].rate,
        try_cast(div_half_away(round(abs(tax) * 100000000)::hugeint * 10000, round(abs(net) * 100000000)::hugeint) as integer)) end;

-- Meta keys of payment plugins that hold the provider's own ID of an order, payment or capture. Each plugin has its names
-- (_wc_klarna_order_id, _mollie_payment_id, _qliro_one_order_id, _svea_co_order_id, _woocommerce_adyen_payment_pspReference, …).
create or replace temp macro woo_is_provider_key(k) as
    regexp_full_match(lower(k), '_?[a-z0-9_]*(klarna|kustom|kco|mollie|qliro|svea|adyen|stripe|paypal|nexi|nets|dibs|dintero|payex|swedbank|swish|walley|collector|briqpay|ppcp|kasper)[a-z0-9_]*(order_?id|payment_?id|transaction_?id|capture_?id|refund_?id|charge_?id|intent_?id|reference)');

-- The meta keys under which plugins keep a buyer's VAT or company number.
create or replace temp macro woo_is_vat_key(k) as
    regexp_full_match(lower(k), '_?(billing_|shipping_|customer_|eu_|yweu_|alg_wc_)*(eu_)?(vat|vat_number|vat_id|vatid|vat_no|vat_nr|org_nr|orgnr|organisation_number|organization_number|company_number|company_nr|business_id)');

-- What a line is told by.
create or replace temp macro woo_reference(l) as coalesce(nullif(l.sku, ''), nullif(l.product_id, ''), nullif(l.method_id, ''));

-- A fee row that is a gift card or store credit in disguise: several plugins have no other place for it.
create or replace temp macro woo_is_gift_card(name) as
    regexp_matches(lower(name), 'gift ?-?card|gift certificate|presentkort|gåvokort|gavekort|lahjakort|geschenkkarte|geschenkgutschein|cadeaubon|carte cadeau');
create or replace temp macro woo_is_store_credit(name) as
    regexp_matches(lower(name), 'store credit|tillgodo|account funds|wallet');
