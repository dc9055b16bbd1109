-- How Adyen's reports write money: major units, a point, trailing zeros cut (".11", "75"),
-- empty or "0.00" for nothing. An amount that is no number, is finer than its currency or
-- absurdly large becomes null: its row is held as malformed.

create or replace temp macro adyen_minor(t, exp) as
    case
        when t is null then 0
        when (length(t) > 11 and strpos(t, '.') not between 1 and 12) or contains(t, 'e') or contains(t, '_') then null
        when strpos(t, '.') = 0 or length(t) - strpos(t, '.') <= exp
            then (try_cast(t as decimal(18, 4)) * (case exp when 2 then 100 when 0 then 1 else 1000 end))::bigint
        else case when length(rtrim(t, '0')) - strpos(t, '.') <= exp
            then (try_cast(t as decimal(18, 4)) * (case exp when 2 then 100 when 0 then 1 else 1000 end))::bigint end
    end;

-- A fee column may be finer than the currency; the four are added first and rounded once.
create or replace temp macro adyen_fee(t) as
    case when t is null then 0.000000::decimal(18, 6) when (length(t) > 9 and strpos(t, '.') not between 1 and 10) or contains(t, 'e') then null
        else try_cast(t as decimal(18, 6)) end;

-- The rate of a row times 10^12, from its digits; null when it is no rate.
create or replace temp macro adyen_rate_e12(rate) as
    case when length(split_part(rate, '.', 1)) <= 9
        then try_cast(split_part(rate, '.', 1) || rpad(left(split_part(rate, '.', 2), 12), 12, '0') as hugeint) end;

-- A gross amount in the settlement currency at the rate of the row.
create or replace temp macro adyen_converted(m, rate, cur_from, cur_to) as
    div_half_away(m::hugeint * adyen_rate_e12(rate) * (case exponent(cur_to) when 2 then 100 when 0 then 1 else 1000 end),
        1000000000000::hugeint * (case exponent(cur_from) when 2 then 100 when 0 then 1 else 1000 end));
