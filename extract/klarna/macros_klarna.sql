-- How Klarna's settlements write signs: amounts come unsigned, the type says the direction.
-- Only a CORRECTION carries its own sign. Some accounts have signs switched on, so the
-- magnitude is taken first.
-- Source: https://docs.klarna.com/settlement-reports/

create or replace temp macro klarna_signed(type, amount) as
    case
        when type in ('SALE', 'REVERSAL_MERCHANT_PROTECTION', 'COMMISSION', 'RELEASE', 'CREDIT', 'FEE_REFUND') then abs(amount)
        when type in ('RETURN', 'REVERSAL', 'HOLDBACK', 'CHARGE', 'FEE', 'TAX') then -abs(amount)
        else amount
    end;

create or replace temp macro klarna_time(t) as (try_cast(t as timestamptz) at time zone 'UTC');

-- An amount in minor units: a whole number, or it is none.
create or replace temp macro klarna_int(t) as case when regexp_full_match(t, '-?[0-9]{1,15}') then t::bigint end;
