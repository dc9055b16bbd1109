-- How Mollie writes money, times and references.

-- An amount in millionths of its currency, exactly; null if it is no number. An amount may have
-- three or four decimals in a settlement's periods.
create or replace temp macro mollie_micro(v) as
    case when regexp_full_match(v, '-?[0-9]{1,12}(\.[0-9]{1,6})?') then scaled(v, 6) end;

-- Millionths in minor units, halves away from zero.
create or replace temp macro mollie_round(micro, cur) as
    div_half_away(micro, case exponent(cur) when 0 then 1000000 when 3 then 1000 else 10000 end);

-- An amount in minor units; null when it is finer than its currency, which no payment can be.
create or replace temp macro mollie_minor(v, cur) as
    micro_exact(mollie_micro(v), cur);

-- 2024-04-06T09:41:44+00:00 and 2018-04-06T06:00:01.0Z are both in use.
create or replace temp macro mollie_time(t) as (try_cast(t as timestamptz) at time zone 'UTC');

-- Metadata is whatever the merchant stored: an object, a text, a text that holds an object, or null.
create or replace temp macro mollie_meta(m) as
    case when json_type(m) = 'OBJECT' then m
        when json_type(m) = 'VARCHAR' and json_valid(m ->> '$') then case when json_type((m ->> '$')::json) = 'OBJECT' then (m ->> '$')::json end
    end;

-- The order number that a shop's plugin stored as metadata. The names are those of plugins in use; none is Mollie's.
create or replace temp macro mollie_order_number(m) as
    coalesce(
        list_any_value(list_transform(mollie_meta(m) ->> ['$.order_number', '$.orderNumber', '$.order_id', '$.orderId', '$.order', '$.reference'], lambda x: nullif(x, ''))),
        case when json_type(m) = 'VARCHAR' and mollie_meta(m) is null and regexp_full_match(m ->> '$', '\S{1,64}') then m ->> '$' end,
        case when json_type(m) in ('UBIGINT', 'BIGINT') then m ->> '$' end);

-- The order number in a description, where it says that it is one: "Order #12345", "Beställning 12345", "#12345",
-- or nothing but one word with a digit. A number in any other sentence is none.
create or replace temp macro mollie_described(d) as
    nullif(coalesce(
        nullif(regexp_extract(d, '#\s?([A-Za-z0-9][A-Za-z0-9._/-]*)', 1), ''),
        nullif(regexp_extract(trim(d), '(?i)^(?:order|ordernumber|ordernummer|order number|order no\.?|bestelling|beställning)\s*:?\s+([A-Za-z0-9._/-]*[0-9][A-Za-z0-9._/-]*)$', 1), ''),
        case when regexp_full_match(trim(d), '[A-Za-z0-9._/-]*[0-9][A-Za-z0-9._/-]*') then trim(d) end), '');

create or replace temp macro mollie_minor_of(a) as mollie_minor(a.value, upper(a.currency));

-- A word of a balance transaction's context, whichever of its three shapes it has.
create or replace temp macro mollie_context(c, word) as
    nullif(coalesce(c ->> ('$.' || word), (c -> ('$.*.' || word))[1] ->> '$', (c -> ('$[*].' || word))[1] ->> '$'), '');

-- The country of a currency that is of one country.
create or replace temp macro mollie_country_of(cur) as case cur when 'SEK' then 'SE' when 'NOK' then 'NO' when 'DKK' then 'DK' end;
