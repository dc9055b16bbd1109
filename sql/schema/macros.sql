-- Money and references, read and written the same way by every model.
--
-- Units:  *_minor is a BIGINT in the minor unit of its currency; nothing here is a float.
--         DuckDB turns a division of decimals into a DOUBLE, so every division below is
--         an integer division, and every scaling a multiplication.

-- How many decimals the minor unit has (ISO 4217). Same list as ledger.Exponent. The list is a text that is
-- searched: DuckDB makes a join of every longer IN list, dozens of them where macros use macros.
create or replace macro exponent(cur) as
    case
        when contains(' BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ', cur) then 0
        when contains(' BHD IQD JOD KWD LYD OMR TND ', cur) then 3
        else 2
    end;

-- A decimal in a text as a whole number of its 10^-places, halves away from zero; null if it is none. DuckDB reads a
-- decimal of more than 18 digits sixty times slower than a whole number with an exponent: that is for what has one already.
create or replace macro scaled(t, places) as
    coalesce(
        case when regexp_full_match(t, '[-+]?[0-9]*[.]?[0-9]*') then try_cast(t || 'e' || places as bigint) end,
        try_cast(round(try_cast(t as decimal(38, 12)), places) * (1 || repeat('0', places))::bigint as bigint));

-- A decimal in a text in minor units: exactly, or rounded with halves away from zero. What is finer than its currency is
-- no exact amount.
create or replace macro minor_rounded(t, cur) as
    case exponent(cur) when 2 then scaled(t, 2) when 0 then scaled(t, 0) else scaled(t, 3) end;
create or replace macro micro_exact(micro, cur) as
    case when micro % (case exponent(cur) when 2 then 10000 when 0 then 1000000 else 1000 end) = 0
        then micro // (case exponent(cur) when 2 then 10000 when 0 then 1000000 else 1000 end) end;
create or replace macro minor_exact(t, cur) as micro_exact(scaled(t, 6), cur);

-- Minor units as major units with two decimals, for people. Exact for up to two decimals.
create or replace macro major(m, cur) as
    case exponent(cur)
        when 2 then (m * 0.01::decimal(3, 2))::decimal(18, 2)
        when 0 then m::decimal(18, 2)
        else (m * 0.001::decimal(4, 3))::decimal(18, 2)
    end;

-- a/b to the nearest integer, halves away from zero (posting_rules: VAT). b > 0.
create or replace macro div_half_away(a, b) as
    (case when a < 0 then -1 else 1 end * ((abs(a::hugeint) * 2 + b) // (2 * b::hugeint)))::bigint;

-- The VAT inside a gross amount at a rate in basis points (25 % is 2500).
create or replace macro vat_inside(gross, rate_bp) as
    div_half_away(gross::hugeint * rate_bp, 10000 + rate_bp);

-- An amount converted at price_e8 = price of one unit of the currency, times 10^8, in another.
create or replace macro converted(m, price_e8, exp_from, exp_to) as
    div_half_away(m::hugeint * price_e8 * (case when exp_to > exp_from then 10 ** (exp_to - exp_from) else 1 end)::hugeint,
        100000000::hugeint * (case when exp_from > exp_to then 10 ** (exp_from - exp_to) else 1 end)::hugeint);

-- An amount times up/down, from one currency's minor units to another's; exact up to the one rounding.
create or replace macro in_ratio(m, up, down, exp_from, exp_to) as
    div_half_away(m::hugeint * up * (case when exp_to > exp_from then 10 ** (exp_to - exp_from) else 1 end)::hugeint,
        down::hugeint * (case when exp_from > exp_to then 10 ** (exp_from - exp_to) else 1 end)::hugeint);

-- A reference as it is compared: no blanks around it, upper case, no leading # or zeros. Most have none of these, which is
-- quicker to see than to take away: every key of every document comes by here.
create or replace macro normal_reference(r) as
    case when regexp_full_match(r, '[1-9A-Za-z][!-~]*') then upper(r) else nullif(ltrim(upper(trim(r)), '#0'), '') end;

-- A number that a reference is found by: the same for the same text, and now and then for another. DuckDB may make it
-- another way one day, whose work.duckdb then needs another schema version: a test knows today's.
create or replace macro tag_of(t) as case when t is not null then (hash(t) % 4294967296)::uinteger end;

-- A text as it may be shown; null where it is about a person and was sealed before it was archived.
create or replace macro told(t) as case when starts_with(t, 'kvitt:') then null else t end;

-- Whether a payment method is what [[source.method]] names. A method of several words, "nets/creditcards", is each of them too.
create or replace macro method_is(method, match) as
    (lower(coalesce(method, '')) glob lower(match) or '/' || lower(coalesce(method, '')) || '/' glob '*/' || lower(match) || '/*');

-- A shop's payment ID as it is compared: providers show Shopify's with a c before it and the number
-- of the attempt after it, c20412829696200.1.
create or replace macro payment_reference(r) as
    coalesce(nullif(regexp_extract(normal_reference(r), '^C?([0-9]{6,})(\.[0-9]{1,2})?$', 1), ''), normal_reference(r));

-- A fixed 128-bit name for what a text identifies.
create or replace macro name_of(t) as md5(t)::uuid;

-- The member states of the EU, and Northern Ireland, whose goods count as the EU's (XI).
create or replace macro is_eu(country) as
    contains(' AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IT LT LU LV MT NL PL PT RO SE SI SK XI ', ' ' || country || ' ');

-- "1250.00 SEK", for people.
create or replace macro money(m, cur) as major(m, cur)::varchar || ' ' || cur;

-- 2550 as "25.5".
create or replace macro rate_text(bp) as
    case when bp % 100 = 0 then (bp // 100)::varchar
        else (bp // 100)::varchar || '.' || rtrim(lpad((bp % 100)::varchar, 2, '0'), '0') end;

-- The company's own date of a moment.
create or replace macro local_date(t, zone) as (((t at time zone 'UTC') at time zone zone)::date);

-- One canonical line of the books: what a document has on one account, in words.
create or replace macro book_line(book, book_date, source, document_id, role, account, currency, country, rate_bp, minor, currency_minor) as
    concat_ws('|', book, book_date, source, document_id, role, account, currency, coalesce(country, ''), coalesce(rate_bp, -1), minor, currency_minor);
