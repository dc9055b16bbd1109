-- How Centra writes amounts, rates, times and lists, and the parts of an answer that more than one
-- model reads: orders, their shipments that have left, their returns that count.
-- Sources: the types at https://centra.dev/graphql/ named below.

create or replace temp macro centra_time(t) as (try_cast(t as timestamptz) at time zone 'UTC');

-- An amount in major units, a JSON number, as minor units; halves away from zero.
create or replace temp macro centra_minor(t, cur) as
    round(try_cast(t as decimal(30, 10)) * case exponent(cur) when 2 then 100 when 0 then 1 else 1000 end, 0)::bigint;

-- 25.5 % as 2550.
create or replace temp macro centra_bp(t) as round(try_cast(t as decimal(20, 10)) * 100, 0)::integer;

create or replace temp macro centra_list(j) as
    case when json_type(j) = 'ARRAY' then from_json(j, '["JSON"]') else []::json[] end;

-- A discount that is money owed to the customer: a voucher with credit, a gift certificate (AppliedVoucherCredit).
create or replace temp macro centra_credit(item_) as regexp_matches(coalesce(item_ ->> '$.__typename', ''), '(?i)credit|gift');

create or replace temp macro centra_failed(item_) as upper(coalesce(item_ ->> '$.status', '')) in ('FAILED', 'FAILURE', 'ERROR', 'DECLINED', 'CANCELLED');

create or replace temp macro centra_kind(item_) as upper(coalesce(item_ ->> '$.entryType', ''));

-- The IDs in a payment provider's own reply, which Centra keeps as text. "raw" may be JSON in JSON.
create or replace temp macro centra_ids(item_) as
    list_distinct(regexp_extract_all(replace(coalesce(item_ ->> '$.paramsJSON', ''), '\', ''),
        '"(?:capture_id|captureId|refund_id|refundId|pspReference|transactionId|transaction_id|paymentTransactionId|PaymentTransactionId)"\s*:\s*"?([^",}\s]+)', 1));

-- What an entry of the payment history is called at the provider.
create or replace temp macro centra_refs(item_) as
    list_filter([nullif(item_ ->> '$.externalReference', ''), nullif(item_ ->> '$.externalId', '')], lambda v: v is not null);

-- A payment, as opposed to money going back, an authorisation given up, or a gift card.
create or replace temp macro centra_is_payment(item_) as
    not regexp_matches(centra_kind(item_), '^(REFUND|CANCEL)|GIFT_CARD$|_FAILED$') and not centra_failed(item_);

-- Orders, each in its newest version. Types Order, OrderTotals.
create or replace temp macro centra_orders() as table
select
    blob_id, '$.data.orders[' || (o.i - 1) || ']' as locator, o.x as o,
    o.x ->> '$.id' as order_id, o.x ->> '$.number' as order_number,
    upper(o.x ->> '$.grandTotal.currency.code') as currency,
    upper(coalesce(nullif(o.x ->> '$.shippingAddress.country.code', ''), o.x ->> '$.billingAddress.country.code')) as country,
    case when coalesce(nullif(trim(o.x ->> '$.billingAddress.vatNumber'), ''), nullif(trim(o.x ->> '$.shippingAddress.vatNumber'), '')) is not null
        or upper(o.x ->> '$.store.type') = 'WHOLESALE' then 'business' else 'consumer' end as customer,
    lower(coalesce(nullif(o.x ->> '$.paymentMethod.uri', ''), nullif(o.x ->> '$.paymentMethod.plugin', ''), o.x ->> '$.paymentMethod.name')) as method,
    upper(coalesce(o.x ->> '$.status', '')) as status,
    centra_list(o.x -> '$.paymentHistory') as history
from (
    select blob_id, unnest(list_transform(centra_list(body -> '$.data.orders'), lambda x, i: {'x': x, 'i': i})) as o
    from raw
)
qualify row_number() over (partition by o.x ->> '$.id' order by blob_id desc) = 1;

-- Shipments that have left, with what is left of their total beside the goods. Types Shipment, ShipmentLine.
-- grand total = goods + shipping and handling − discounts − credit. A shipment does not state its shipping: it is the rest,
-- and must be a part of the order's. Whether the lines are before or after the discounts shows in that rest. Where
-- the order's tax is deducted (export) and only the values without tax add up, those are what was sold.
create or replace temp macro centra_shipments() as table
with

shipped as (
    select
        o.* exclude (o), o.locator || '.shipments[' || (s.i - 1) || ']' as place, s.x as s,
        coalesce(nullif(s.x ->> '$.number', ''), s.x ->> '$.id') as doc_ref,
        coalesce(centra_time(s.x ->> '$.shippedAt'), centra_time(s.x ->> '$.capturedAt'), centra_time(s.x ->> '$.createdAt')) as event_at,
        coalesce(centra_time(s.x ->> '$.capturedAt'), centra_time(s.x ->> '$.paidAt'), centra_time(s.x ->> '$.shippedAt')) as captured_at,
        centra_minor(s.x ->> '$.grandTotal.value', o.currency) as total,
        centra_list(s.x -> '$.lines') as lines,
        centra_list(s.x -> '$.discountsApplied') as discounts,
        coalesce(centra_minor(o.o ->> '$.totals.shipping.value', o.currency), 0) as order_shipping,
        coalesce(centra_minor(o.o ->> '$.totals.handling.value', o.currency), 0) as order_handling,
        coalesce(centra_minor(o.o ->> '$.totals.taxDeducted.value', o.currency), 0) <> 0 as tax_deducted,
        o.o -> '$.totals' as totals
    from (select *, unnest(list_transform(centra_list(o -> '$.shipments'), lambda x, i: {'x': x, 'i': i})) as s from centra_orders()) as o
    where (s.x ->> '$.shippedAt') is not null or lower(s.x ->> '$.isShipped') = 'true'
),

sums as (
    select *,
        coalesce(list_sum(list_transform(lines, lambda l: centra_minor(l ->> '$.lineValue.value', currency))), 0)::bigint as goods_with,
        list_sum(list_transform(lines, lambda l: centra_minor(l ->> '$.lineValueExTax.value', currency)))::bigint as goods_without,
        coalesce(list_sum(list_transform(discounts, lambda d: case when centra_credit(d) then 0 else abs(centra_minor(d ->> '$.value.value', currency)) end)), 0)::bigint as discount,
        coalesce(list_sum(list_transform(discounts, lambda d: case when centra_credit(d) then abs(centra_minor(d ->> '$.value.value', currency)) else 0 end)), 0)::bigint as credit,
        order_shipping + order_handling as most
    from shipped
),

based as (
    select *,
        tax_deducted and goods_without is not null and total - goods_with + discount + credit < 0
            and total - goods_without + discount + credit between 0 and most as untaxed
    from sums
),

rests as (
    select *,
        total - case when untaxed then goods_without else goods_with end + credit as rest_after,
        total - case when untaxed then goods_without else goods_with end + credit + discount as rest_before
    from based
)

select *,
    case when takes_discount then discount else 0 end as discount_used,
    case when takes_discount then case when rest_before between 1 and most then rest_before else 0 end
        else case when rest_after between 1 and most then rest_after else 0 end end as shipping
from (
    select *,
        case
            when discount = 0 then false
            when rest_before in (most, order_shipping, order_handling, 0) then true
            when rest_after in (most, order_shipping, order_handling, 0) then false
            when rest_before between 0 and most then true
            when rest_after between 0 and most then false
            else true
        end as takes_discount
    from rests
);

-- What gift cards paid of each shipment: a capture of a gift card belongs to the shipment captured nearest to it.
create or replace temp macro centra_gift_cards() as table
select order_id, doc_ref, sum(amount)::bigint as amount
from (
    select e.order_id, e.n, any_value(e.amount) as amount, arg_min(s.doc_ref, abs(epoch(s.captured_at) - epoch(e.at_))) as doc_ref
    from (
        select order_id, n, abs(centra_minor(x ->> '$.value.value', currency)) as amount, coalesce(centra_time(x ->> '$.createdAt'), timestamp '1970-01-01') as at_
        from (select order_id, currency, unnest(history) as x, generate_subscripts(history, 1) as n from centra_orders())
        where centra_kind(x) = 'CAPTURE_GIFT_CARD' and not centra_failed(x)
    ) as e
    inner join centra_shipments() as s using (order_id)
    group by e.order_id, e.n
)
group by all;

-- Returns with the order they belong to. One counts when it is completed or money has gone back. Types Return, ReturnTotals.
-- grand total = goods + shipping + handling − discounts − what the return costs the customer.
create or replace temp macro centra_returns() as table
with

returned as (
    select
        o.* exclude (o, locator), '$.data.returns[' || (r.i - 1) || ']' as place, r.x as r,
        r.x ->> '$.id' as doc_ref,
        upper(coalesce(nullif(r.x ->> '$.returnStatus', ''), r.x ->> '$.status', '')) as return_status,
        list_filter(centra_list(r.x -> '$.refundPaymentHistory'), lambda x: centra_kind(x) like 'REFUND%' and centra_kind(x) not like '%FAILED' and not centra_failed(x)) as refunds,
        abs(centra_minor(r.x ->> '$.grandTotal.value', o.currency)) as total,
        centra_list(r.x -> '$.lines') as lines,
        r.x -> '$.totals' as totals,
        coalesce(abs(centra_minor(r.x ->> '$.totals.shipping.value', o.currency)), 0) as shipping_stated,
        coalesce(abs(centra_minor(r.x ->> '$.totals.handling.value', o.currency)), 0) as handling_stated,
        coalesce(abs(centra_minor(r.x ->> '$.totals.discounts.value', o.currency)), 0) as discounts_stated,
        coalesce(abs(centra_minor(r.x ->> '$.totals.returnCost.value', o.currency)), 0) as cost_stated,
        coalesce(centra_minor(r.x ->> '$.totals.taxDeducted.value', o.currency), 0) <> 0 as tax_deducted,
        coalesce(list_sum(list_transform(centra_list(r.x -> '$.discountsApplied'),
            lambda d: case when centra_credit(d) then abs(centra_minor(d ->> '$.value.value', o.currency)) else 0 end)), 0)::bigint as credit_stated
    from (
        select blob_id, unnest(list_transform(centra_list(body -> '$.data.returns'), lambda x, i: {'x': x, 'i': i})) as r from raw
    ) as a
    inner join centra_orders() as o on o.blob_id = a.blob_id and o.order_id = (a.r.x ->> '$.order.id')
),

sums as (
    select *,
        return_status in ('COMPLETED', 'COMPLETE') or len(refunds) > 0 as counts,
        list_bool_and(list_transform(lines, lambda l: (l ->> '$.lineValue.value') is not null)) is not false as priced,
        coalesce(list_sum(list_transform(lines, lambda l: abs(centra_minor(l ->> '$.lineValue.value', currency)))), 0)::bigint as goods_with,
        list_sum(list_transform(lines, lambda l: abs(centra_minor(l ->> '$.lineValueExTax.value', currency))))::bigint as goods_without,
        shipping_stated + handling_stated as extras,
        coalesce(list_sum(list_transform(refunds, lambda x: case when centra_kind(x) = 'REFUND_GIFT_CARD' then abs(centra_minor(x ->> '$.value.value', currency)) else 0 end)), 0)::bigint as gift,
        len(lines) + 2 as slack
    from returned
),

based as (
    select *,
        tax_deducted and goods_without is not null
            and abs(total - (goods_with + extras - discounts_stated - cost_stated)) > slack
            and abs(total - (goods_without + extras - discounts_stated - cost_stated)) <= slack as untaxed
    from sums
)

select *,
    case
        when discounts_stated = 0 then 0
        when abs(total - (case when untaxed then goods_without else goods_with end + extras - cost_stated)) <= slack
            and abs(total - (case when untaxed then goods_without else goods_with end + extras - discounts_stated - cost_stated)) > slack then 0
        else discounts_stated - least(credit_stated, discounts_stated)
    end as discount_used,
    case
        when discounts_stated > 0 and abs(total - (case when untaxed then goods_without else goods_with end + extras - cost_stated)) <= slack
            and abs(total - (case when untaxed then goods_without else goods_with end + extras - discounts_stated - cost_stated)) > slack then 0
        else least(credit_stated, discounts_stated)
    end as credit,
    coalesce(list_min(list_transform(refunds, lambda x: centra_time(x ->> '$.createdAt'))), centra_time(r ->> '$.createdAt')) as event_at
from based;

-- Money given back without a return: a refund in the payment history that no return points to. Centra may write the
-- provider's answer to a return's refund as an entry of its own, so one counts only when the refunds of the
-- order exceed its returns by it.
create or replace temp macro centra_refunds() as table
with

entries as (
    select order_id, x, x ->> '$.id' as entry_id, abs(centra_minor(x ->> '$.value.value', currency)) as amount, centra_time(x ->> '$.createdAt') as event_at,
        '.paymentHistory[' || (n - 1) || ']' as place, o.* exclude (order_id, x, n)
    from (select * exclude (o), unnest(history) as x, generate_subscripts(history, 1) as n from centra_orders()) as o
    where centra_kind(x) = 'REFUND' and not centra_failed(x) and upper(coalesce(x ->> '$.status', 'SUCCESS')) <> 'PENDING' and (x ->> '$.id') is not null
),

of_returns as (
    select order_id, sum(total - gift)::bigint as amount, flatten(list(list_transform(refunds, lambda x: x ->> '$.id'))) as linked,
        list(total - gift) filter (len(list_filter(refunds, lambda x: centra_kind(x) = 'REFUND')) = 0) as unanswered
    from centra_returns()
    where counts
    group by order_id
)

select e.*
from (select *, sum(amount) over (partition by order_id) as refunded from entries) as e
left join of_returns as r using (order_id)
where r.order_id is null
    or (not list_contains(r.linked, e.entry_id) and not list_contains(coalesce(r.unanswered, []), e.amount) and e.refunded - r.amount >= e.amount);
