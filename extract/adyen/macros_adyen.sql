-- How Adyen's reports write money: major units, a point, trailing zeros cut (".11", "75"),
-- empty or "0.00" for nothing. An amount that is no number, or finer than its currency,
-- becomes null: its row is held as malformed.

create or replace temp macro adyen_minor(t, exp) as
    case
        when t is null then 0
        when strpos(t, '.') = 0 or length(t) - strpos(t, '.') <= exp
            then (try_cast(t as decimal(18, 4)) * (case exp when 2 then 100 when 0 then 1 else 1000 end))::bigint
        else case when length(rtrim(t, '0')) - strpos(t, '.') <= exp
            then (try_cast(t as decimal(18, 4)) * (case exp when 2 then 100 when 0 then 1 else 1000 end))::bigint end
    end;

-- A fee column may be finer than the currency; the four are added first and rounded once.
create or replace temp macro adyen_fee(t) as
    case when t is null then 0.000000::decimal(18, 6) else try_cast(t as decimal(18, 6)) end;

-- A gross amount in the settlement currency at the rate of the row (up to nine decimals of it).
create or replace temp macro adyen_converted(m, rate, cur_from, cur_to) as
    converted(m, (try_cast(left(rate, strpos(rate || '.', '.') + 9) as decimal(27, 9)) * 100000000)::bigint, exponent(cur_from), exponent(cur_to));
