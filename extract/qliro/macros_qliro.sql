-- How Qliro writes amounts, words, moments and rates, and what an order's log amounts to.
-- Source: https://developers.qliro.com/, Admin API v2.

-- A decimal in major units as minor units, never rounded: more decimals than the currency has make it unknown.
create or replace temp macro qliro_minor(t, cur) as
    case
        when exponent(cur) = 2 and regexp_full_match(t, '-?[0-9]{1,13}([.][0-9]{1,2}0*)?')
            then (try_cast(t as decimal(18, 4)) * 100::decimal(3, 0))::bigint
        when exponent(cur) = 0 and regexp_full_match(t, '-?[0-9]{1,13}([.]0+)?') then try_cast(t as decimal(18, 4))::bigint
        when exponent(cur) = 3 and regexp_full_match(t, '-?[0-9]{1,13}([.][0-9]{1,3}0*)?')
            then (try_cast(t as decimal(18, 4)) * 1000::decimal(4, 0))::bigint
    end;

-- Enums, declared as integers and seen as words, as their words; what is in no list stays as it came.
create or replace temp macro qliro_transaction_type(v) as
    case lower(trim(v)) when '0' then 'Preauthorization' when 'preauthorization' then 'Preauthorization' when '1' then 'Debit' when 'debit' then 'Debit' when '2' then 'Credit' when 'credit' then 'Credit' when '3' then 'Capture' when 'capture' then 'Capture' when '4' then 'Reversal' when 'reversal' then 'Reversal' when '5' then 'Refund' when 'refund' then 'Refund' when '6' then 'UpdateInvoice' when 'updateinvoice' then 'UpdateInvoice' when '7' then 'Registration' when 'registration' then 'Registration' else v end;
create or replace temp macro qliro_transaction_status(v) as
    case lower(trim(v)) when '0' then 'Created' when 'created' then 'Created' when '1' then 'InProcess' when 'inprocess' then 'InProcess' when '2' then 'UserInteractionRequired' when 'userinteractionrequired' then 'UserInteractionRequired' when '3' then 'OnHold' when 'onhold' then 'OnHold' when '4' then 'Success' when 'success' then 'Success' when '5' then 'Error' when 'error' then 'Error' when '6' then 'Cancelled' when 'cancelled' then 'Cancelled' else v end;
create or replace temp macro qliro_action_type(v) as
    case lower(trim(v)) when '0' then 'Create' when 'create' then 'Create' when '1' then 'Reserve' when 'reserve' then 'Reserve' when '2' then 'Ship' when 'ship' then 'Ship' when '3' then 'Return' when 'return' then 'Return' when '4' then 'Release' when 'release' then 'Release' else v end;
create or replace temp macro qliro_item_type(v) as
    case lower(trim(v)) when '0' then 'Product' when 'product' then 'Product' when '1' then 'Discount' when 'discount' then 'Discount' when '2' then 'Fee' when 'fee' then 'Fee' when '3' then 'Shipping' when 'shipping' then 'Shipping' else v end;
create or replace temp macro qliro_juridical_type(v) as
    case lower(trim(v)) when '0' then 'Physical' when 'physical' then 'Physical' when '1' then 'Company' when 'company' then 'Company' else v end;
create or replace temp macro qliro_line_type(v) as
    case lower(trim(v)) when '0' then 'Transaction' when 'transaction' then 'Transaction' when '1' then 'Fee' when 'fee' then 'Fee' when '2' then 'Chargeback' when 'chargeback' then 'Chargeback' else v end;
create or replace temp macro qliro_line_action(v) as
    case lower(trim(v)) when '0' then 'Debit' when 'debit' then 'Debit' when '1' then 'Credit' when 'credit' then 'Credit' else v end;

-- A moment in UTC. Qliro states no zone: its clock is taken to be Sweden's. One that states its zone is taken at
-- its word. .NET's beginning of time stands for nothing.
create or replace temp macro qliro_time(t) as (
    case
        when t is null or substr(t, 1, 2) not in ('19', '20') then null
        when regexp_matches(t, '(Z|[+-][0-9]{2}:?[0-9]{2})$') then try_cast(regexp_replace(t, '([.][0-9]{6})[0-9]+', '\1') as timestamptz) at time zone 'UTC'
        else (try_cast(regexp_replace(replace(t, '/', '-'), '([.][0-9]{6})[0-9]+', '\1') as timestamp) at time zone 'Europe/Stockholm') at time zone 'UTC'
    end);

-- A day, as the midnight that is the same date for every company in Europe.
create or replace temp macro qliro_day(t) as (
    case
        when regexp_matches(t, '(Z|[+-][0-9]{2}:?[0-9]{2})$') then qliro_time(t)
        when substr(t, 1, 2) in ('19', '20') then try_cast(substr(replace(t, '/', '-'), 1, 10) as date)::timestamp
    end);

-- The VAT rates that have been charged in a country since 2020, in basis points.
-- Source: European Commission, Taxes in Europe Database; Skatteetaten (NO).
create or replace temp macro qliro_rates(country) as
    case country
        when 'SE' then [2500, 1200, 600, 0] when 'NO' then [2500, 1500, 1200, 1111, 600, 0] when 'DK' then [2500, 0]
        when 'FI' then [2550, 2400, 1400, 1350, 1000, 0] when 'DE' then [1900, 1600, 700, 500, 0] when 'AT' then [2000, 1300, 1000, 500, 0]
        when 'NL' then [2100, 900, 0] when 'BE' then [2100, 1200, 600, 0] when 'FR' then [2000, 1000, 550, 210, 0]
        when 'EE' then [2400, 2200, 2000, 1300, 900, 500, 0] when 'LV' then [2100, 1200, 500, 0] when 'LT' then [2100, 1200, 900, 500, 0]
        when 'PL' then [2300, 800, 500, 0] when 'ES' then [2100, 1000, 500, 400, 0] when 'IT' then [2200, 1000, 500, 400, 0]
        when 'PT' then [2300, 1300, 600, 0] when 'IE' then [2300, 2100, 1350, 900, 480, 0] when 'LU' then [1700, 1600, 1400, 1300, 800, 700, 300, 0]
        when 'CZ' then [2100, 1500, 1200, 1000, 0] when 'SK' then [2300, 2000, 1900, 1000, 500, 0] when 'HU' then [2700, 1800, 500, 0]
        when 'SI' then [2200, 950, 500, 0] when 'HR' then [2500, 1300, 500, 0] when 'GR' then [2400, 1300, 600, 0]
        when 'CY' then [1900, 900, 500, 300, 0] when 'MT' then [1800, 1200, 700, 500, 0] when 'BG' then [2000, 900, 0]
        when 'RO' then [2100, 1900, 1100, 900, 500, 0]
        else [0]
    end;

-- The rate between two prices, each rounded to the öre: of the country's rates that the rounding allows the
-- nearest; else a whole per cent, where the country's rates are not known; else what the prices say.
create or replace temp macro qliro_rate(inc, ex, country) as
    coalesce(
        list_min(list_transform(
            list_filter(qliro_rates(country), r -> 2 * abs(abs(inc) * 10000 - abs(ex) * (10000 + r)) <= 20000 + r),
            r -> {'off': abs(abs(inc) * 10000 - abs(ex) * (10000 + r)), 'rate': r})).rate,
        case when ex <> 0 and len(qliro_rates(country)) = 1
            and 2 * abs(abs(inc) * 10000 - abs(ex) * (10000 + 100 * div_half_away(abs(inc - ex)::hugeint * 100, abs(ex)))) <= 20000 + 100 * div_half_away(abs(inc - ex)::hugeint * 100, abs(ex))
            then 100 * div_half_away(abs(inc - ex)::hugeint * 100, abs(ex)) end,
        case when ex <> 0 then div_half_away((abs(inc) - abs(ex))::hugeint * 10000, abs(ex)) end)::integer;

