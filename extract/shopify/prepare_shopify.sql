-- The orders of the new answers, taken apart once for all models. The rules are in macros_shopify.sql.
--
-- Each text is parsed once: what is read of it in one place costs more to keep than to type, but less than to parse it again.
-- What only an order without a journal needs is parsed for those alone.

-- One row per answer. The answers of an order that needed several are one object, {"answers": [...]}.
create or replace temp view shopify_texts as
select blob_id, is_sequence, body as answer from raw where not is_sequence
union all
select blob_id, is_sequence, unnest(from_json(body -> '$.answers', '["JSON"]')) from raw where is_sequence;

create or replace temp table shopify_answers as
with parsed as (

    select
        blob_id, is_sequence,
        from_json(answer, '{"data": {
            "order": {
                "id": "VARCHAR", "legacyResourceId": "VARCHAR", "name": "VARCHAR", "number": "VARCHAR", "confirmationNumber": "VARCHAR", "sourceIdentifier": "VARCHAR",
                "poNumber": "VARCHAR", "test": "BOOLEAN", "edited": "BOOLEAN", "createdAt": "VARCHAR", "processedAt": "VARCHAR", "updatedAt": "VARCHAR",
                "cancelledAt": "VARCHAR", "closedAt": "VARCHAR", "taxesIncluded": "BOOLEAN", "displayFinancialStatus": "VARCHAR", "displayFulfillmentStatus": "VARCHAR",
                "purchasingEntity": {"__typename": "VARCHAR"}, "customAttributes": [{"key": "VARCHAR", "value": "VARCHAR"}],
                "billingAddress": {"company": "VARCHAR", "countryCodeV2": "VARCHAR"}, "shippingAddress": {"countryCodeV2": "VARCHAR"},
                "totalPriceSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
                "totalCashRoundingAdjustment": {"paymentSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}},
                "lineItems": {"nodes": [{"id": "VARCHAR", "currentQuantity": "BIGINT", "unfulfilledQuantity": "BIGINT", "requiresShipping": "BOOLEAN"}]},
                "transactions": [{"id": "VARCHAR", "kind": "VARCHAR", "status": "VARCHAR", "gateway": "VARCHAR", "paymentId": "VARCHAR", "processedAt": "VARCHAR", "receiptJson": "JSON",
                    "amountSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}}],
                "refunds": [{"id": "VARCHAR", "legacyResourceId": "VARCHAR", "createdAt": "VARCHAR", "processedAt": "VARCHAR", "return": {"id": "VARCHAR"},
                    "orderAdjustments": {"nodes": [{"id": "VARCHAR",
                        "amountSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
                        "taxAmountSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}}]},
                    "transactions": {"nodes": [{"id": "VARCHAR", "kind": "VARCHAR", "status": "VARCHAR", "gateway": "VARCHAR", "paymentId": "VARCHAR", "receiptJson": "JSON",
                        "amountSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}}]}}],
                "fulfillments": [{"id": "VARCHAR", "legacyResourceId": "VARCHAR", "name": "VARCHAR", "status": "VARCHAR", "createdAt": "VARCHAR", "originAddress": {"countryCode": "VARCHAR"},
                    "fulfillmentLineItems": {"nodes": [{"id": "VARCHAR", "quantity": "BIGINT", "lineItem": {"id": "VARCHAR"}}]}}],
                "agreements": {"nodes": [{"id": "VARCHAR", "happenedAt": "VARCHAR", "reason": "VARCHAR", "refund": {"id": "VARCHAR"}, "return": {"id": "VARCHAR"},
                    "sales": {"nodes": [{"id": "VARCHAR", "actionType": "VARCHAR", "lineType": "VARCHAR", "quantity": "BIGINT", "lineItem": {"id": "VARCHAR"},
                        "totalAmount": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
                        "totalTaxAmount": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
                        "taxes": [{"amount": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
                            "taxLine": {"rate": "VARCHAR", "ratePercentage": "VARCHAR", "channelLiable": "BOOLEAN"}}]}]}}]}},
            "refund": {"id": "VARCHAR",
                "orderAdjustments": {"nodes": [{"id": "VARCHAR",
                    "amountSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
                    "taxAmountSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}}]},
                "transactions": {"nodes": [{"id": "VARCHAR", "kind": "VARCHAR", "status": "VARCHAR", "gateway": "VARCHAR", "paymentId": "VARCHAR", "receiptJson": "JSON",
                    "amountSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}}]}},
            "fulfillment": {"id": "VARCHAR", "fulfillmentLineItems": {"nodes": [{"id": "VARCHAR", "quantity": "BIGINT", "lineItem": {"id": "VARCHAR"}}]}}
        }}').data as d
    from shopify_texts

),

priced as (

    select *, shopify_bag(d."order".totalPriceSet) as total, shopify_bag(d."order".totalCashRoundingAdjustment.paymentSet) as rounding
    from parsed

)

select
    blob_id, is_sequence,
    d."order".name is not null and not coalesce(d."order".test, false) as is_order,
    shopify_tail(coalesce(d."order".legacyResourceId, d."order".id)) as order_id,
    nullif(d."order".name, '') as order_number,
    upper(coalesce(nullif(d."order".shippingAddress.countryCodeV2, ''), nullif(d."order".billingAddress.countryCodeV2, ''),
        nullif(d."order".fulfillments[1].originAddress.countryCode, ''), (select country from set_company))) as country,
    -- A company's name alone decides nothing while VAT is charged: [[sales]] falls back to the consumer row.
    case when d."order".purchasingEntity.__typename = 'PurchasingCompany' or coalesce(trim(d."order".billingAddress.company), '') <> ''
        or list_any_value(list_filter(coalesce(d."order".customAttributes, []), lambda a: regexp_matches(lower(a.key), '(^|[^a-z])vat|org.?(nr|num)') and trim(a.value) <> '')) is not null
        then 'business' else 'consumer' end as customer,
    shopify_time(coalesce(d."order".processedAt, d."order".createdAt)) as placed_at,
    shopify_time(d."order".updatedAt) as changed_at,
    upper(d."order".displayFinancialStatus) as paid_status,
    upper(d."order".displayFulfillmentStatus) as sent_status,
    d."order".cancelledAt is not null as is_cancelled,
    d."order".closedAt is not null as is_closed,
    coalesce(d."order".edited, false) as is_edited,
    shopify_money(total) as total,
    upper(total.currencyCode) as currency,
    coalesce(shopify_money(rounding), 0) as rounding,
    d."order".poNumber as po_number, d."order".confirmationNumber as confirmation, d."order".sourceIdentifier as source_identifier, d."order".number as number,
    coalesce(d."order".taxesIncluded, false) as taxes_included,
    len(coalesce(d."order".agreements.nodes, [])) > 0 as has_journal,
    d."order".agreements.nodes as agreements,
    d."order".lineItems.nodes as items,
    d."order".transactions as transactions,
    d."order".fulfillments as fulfillments,
    d."order".refunds as refunds,
    -- What a fulfilment or a refund has more of than an answer about its order holds.
    d.fulfillment as fulfillment,
    d.refund as refund
from priced;

-- One row per order and blob: the answer that has its name. Test orders are nothing that happened.
create or replace temp table shopify_orders as
select * exclude (is_order, is_sequence, agreements, items, transactions, fulfillments, refunds, fulfillment, refund)
from shopify_answers
where is_order;

create or replace temp table shopify_items as
select distinct on (blob_id, i.id)
    blob_id, i.id as item_id, coalesce(i.requiresShipping, true) as ships, i.unfulfilledQuantity as unsent, i.currentQuantity as kept
from (select blob_id, unnest(items) as i from shopify_answers);

create or replace temp table shopify_payments as
select distinct on (blob_id, t.id)
    blob_id, t.id as id, upper(t.kind) as kind, upper(t.status) as status, lower(t.gateway) as gateway, nullif(t.paymentId, '') as payment_id,
    shopify_money(bag) as amount, t.receiptJson as receipt, shopify_time(t.processedAt) as at_
from (select *, shopify_bag(t.amountSet) as bag from (select blob_id, unnest(transactions) as t from shopify_answers));

create or replace temp table shopify_parcels as
select distinct on (blob_id, f.id)
    blob_id, f.id as id, shopify_tail(coalesce(f.legacyResourceId, f.id)) as doc_ref, f.name as name, shopify_time(f.createdAt) as event_at
from (select blob_id, unnest(fulfillments) as f from shopify_answers)
where upper(f.status) = 'SUCCESS';

create or replace temp table shopify_parcel_lines as
select distinct on (blob_id, parcel, l.id) blob_id, parcel, l.lineItem.id as item_id, l.quantity as quantity
from (
    select blob_id, f.id as parcel, unnest(f.fulfillmentLineItems.nodes) as l
    from (select blob_id, unnest(fulfillments) as f from shopify_answers)
    union all
    select blob_id, fulfillment.id, unnest(fulfillment.fulfillmentLineItems.nodes) from shopify_answers where fulfillment is not null
);

create or replace temp table shopify_refunds as
select distinct on (blob_id, r.id)
    blob_id, r.id as id, shopify_tail(coalesce(r.legacyResourceId, r.id)) as doc_ref, r.return.id as return_id,
    shopify_time(coalesce(r.processedAt, r.createdAt)) as event_at
from (select blob_id, unnest(refunds) as r from shopify_answers);

create or replace temp table shopify_refund_payments as
select distinct on (blob_id, refund_id, t.id)
    blob_id, refund_id, t.id as id, upper(t.kind) as kind, upper(t.status) as status, lower(t.gateway) as gateway, nullif(t.paymentId, '') as payment_id,
    shopify_money(bag) as amount, t.receiptJson as receipt
from (
    select *, shopify_bag(t.amountSet) as bag
    from (
        select blob_id, r.id as refund_id, unnest(r.transactions.nodes) as t
        from (select blob_id, unnest(refunds) as r from shopify_answers)
        union all
        select blob_id, refund.id, unnest(refund.transactions.nodes) from shopify_answers where refund is not null
    )
);

create or replace temp table shopify_adjustments as
select blob_id, refund_id, sum(amount)::bigint as amount
from (
    select blob_id, refund_id, coalesce(shopify_money(amount), 0) + coalesce(shopify_money(tax), 0) as amount
    from (
        select distinct on (blob_id, refund_id, a.id) blob_id, refund_id, shopify_bag(a.amountSet) as amount, shopify_bag(a.taxAmountSet) as tax
        from (
            select blob_id, r.id as refund_id, unnest(r.orderAdjustments.nodes) as a
            from (select blob_id, unnest(refunds) as r from shopify_answers)
            union all
            select blob_id, refund.id, unnest(refund.orderAdjustments.nodes) from shopify_answers where refund is not null
        )
    )
)
group by all;

-- The journal, one row per sale. Amounts are signed: what is taken back is negative.
create or replace temp table shopify_journal as
with agreements as (

    select blob_id, is_sequence, unnest(agreements) as g
    from shopify_answers

),

sales as (

    -- Of the agreement only what is needed goes with each of its sales.
    select * exclude (sold), unnest(sold) as s
    from (
        select
            blob_id, is_sequence, g.id as agreement_id, shopify_time(g.happenedAt) as at_,
            case when g.refund.id is not null or upper(g.reason) = 'REFUND' then 'refund'
                when g.return.id is not null or upper(g.reason) = 'RETURN' then 'return' else 'order' end as chapter,
            g.refund.id as refund_id, g.return.id as return_id, g.sales.nodes as sold
        from agreements
    )

),

read as (

    select
        * exclude (s), s.id as sale_id,
        upper(s.actionType) as action, upper(s.lineType) as line_type, s.lineItem.id as item_id, coalesce(abs(s.quantity), 0) as quantity,
        shopify_bag(s.totalAmount) as total, shopify_bag(s.totalTaxAmount) as stated_tax,
        list_transform(coalesce(s.taxes, []), lambda x: {'is_channel': coalesce(x.taxLine.channelLiable, false), 'bag': shopify_bag(x.amount), 'rate_bp': shopify_rate(x.taxLine)}) as taxes
    from sales

),

priced as (

    select * replace (shopify_money(total) as total, coalesce(shopify_money(stated_tax), 0) as stated_tax, shopify_tax_amounts(taxes) as taxes)
    from read

),

typed as (

    select
        * exclude (taxes), len(taxes) as tax_lines, shopify_tax(taxes, true) as channel_tax, shopify_tax(taxes, false) as tax,
        shopify_rates(list_filter(taxes, lambda x: x.amount <> 0 or len(taxes) = 1)) as rate_bp
    from priced

)

select
    * exclude (total, stated_tax, tax_lines, channel_tax, tax, line_type),
    -- Tax without a tax line has no rate, and a word nobody knows no account: such a sale is held.
    case when line_type in ('PRODUCT', 'TIP', 'GIFT_CARD', 'SHIPPING', 'DUTY', 'ADDITIONAL_FEE', 'FEE', 'ADJUSTMENT') and (tax_lines > 0 or stated_tax = 0) then line_type else 'UNKNOWN' end as line_type,
    case when action = 'RETURN' then -1 else sign(total) end * abs(total - channel_tax) as gross,
    case when action = 'RETURN' then -1 else sign(total) end * abs(tax) as vat,
    case when action = 'RETURN' then -1 else sign(total) end * abs(channel_tax) as channel,
    chapter = 'order' or (action = 'ORDER' and line_type in ('PRODUCT', 'GIFT_CARD')) as in_pool
from typed;

-- The same sale may be on two pages.
delete from shopify_journal
where is_sequence and sale_id is not null and rowid not in (select min(rowid) from shopify_journal where is_sequence group by blob_id, sale_id);

-- What orders without a journal say of their items and shipping themselves.
create or replace temp table shopify_stated as
select blob_id, o, o.name is not null and not coalesce(o.test, false) and len(coalesce(o.agreements.nodes, [])) = 0 as is_order
from (
    select blob_id, from_json(answer, '{"data": {"order": {"name": "VARCHAR", "test": "BOOLEAN", "taxesIncluded": "BOOLEAN",
        "lineItems": {"nodes": [{"id": "VARCHAR", "quantity": "BIGINT", "isGiftCard": "BOOLEAN",
            "originalTotalSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
            "discountAllocations": [{"allocatedAmountSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}}],
            "taxLines": [{"rate": "VARCHAR", "ratePercentage": "VARCHAR", "channelLiable": "BOOLEAN", "priceSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}}]}]},
        "shippingLines": {"nodes": [{"isRemoved": "BOOLEAN",
            "discountedPriceSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}},
            "taxLines": [{"rate": "VARCHAR", "ratePercentage": "VARCHAR", "channelLiable": "BOOLEAN", "priceSet": {"shopMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}, "presentmentMoney": {"amount": "VARCHAR", "currencyCode": "VARCHAR"}}}]}]},
        "agreements": {"nodes": [{"id": "VARCHAR"}]}}}}').data."order" as o
    from shopify_texts
    where blob_id in (select blob_id from shopify_orders where not has_journal)
);

-- What was sold, per item (or, without an item, per kind of charge) and rate. An order without a
-- journal is read from its lines.
create or replace temp table shopify_pool as
select
    blob_id, case when line_type in ('PRODUCT', 'GIFT_CARD') then item_id end as item_id, line_type, rate_bp,
    sum(gross)::bigint as gross, sum(vat)::bigint as vat, sum(channel)::bigint as channel,
    sum(case action when 'ORDER' then quantity when 'RETURN' then -quantity else 0 end)::bigint as quantity,
    bool_or(chapter <> 'order') as is_exchange, bool_or(gross is null) as is_bad
from shopify_journal
where in_pool
group by all

union all by name

select
    blob_id, item_id, line_type, rate_bp, case when taxes_included then price - channel else price + vat end as gross, vat, channel, quantity,
    false as is_exchange, price is null as is_bad
from (
    select s.blob_id, s.item_id, s.line_type, o.taxes_included, s.price,
        shopify_tax(s.taxes, false) as vat, shopify_tax(s.taxes, true) as channel, shopify_rates(s.taxes) as rate_bp, s.quantity
    from (
        select * exclude (discounts) replace (
            shopify_money(price) - coalesce(list_sum(list_transform(discounts, lambda x: shopify_money(x))), 0)::bigint as price, shopify_tax_amounts(taxes) as taxes)
        from (
            select distinct on (blob_id, i.id)
                blob_id, i.id as item_id, case when i.isGiftCard then 'GIFT_CARD' else 'PRODUCT' end as line_type, i.quantity as quantity,
                shopify_bag(i.originalTotalSet) as price, list_transform(coalesce(i.discountAllocations, []), lambda x: shopify_bag(x.allocatedAmountSet)) as discounts,
                shopify_tax_lines(i.taxLines) as taxes
            from (select blob_id, unnest(o.lineItems.nodes) as i from shopify_stated)
        )
    ) as s
    inner join shopify_orders as o using (blob_id)
    where not o.has_journal
    union all
    select blob_id, null, 'SHIPPING', taxes_included, shopify_money(price),
        shopify_tax(taxes, false), shopify_tax(taxes, true), shopify_rates(taxes), 0
    from (
        select * replace (shopify_tax_amounts(taxes) as taxes)
        from (
            select blob_id, taxes_included, i.isRemoved as is_removed, shopify_bag(i.discountedPriceSet) as price, shopify_tax_lines(i.taxLines) as taxes
            from (select blob_id, coalesce(o.taxesIncluded, false) as taxes_included, unnest(o.shippingLines.nodes) as i from shopify_stated where is_order)
        )
    )
    where not coalesce(is_removed, false)
);

-- One row per refund, and per return that no refund has paid yet. money is what went back by
-- transactions, vouchers what of it went onto gift cards and store credit.
create or replace temp table shopify_givings as
with firsts as (

    select blob_id, return_id, arg_min(id, (event_at, id)) as refund_id
    from shopify_refunds
    where return_id is not null
    group by all

),

rows as (

    select j.*, coalesce(j.refund_id, f.refund_id, j.return_id, j.agreement_id) as giving
    from shopify_journal as j
    left join firsts as f on f.blob_id = j.blob_id and f.return_id = j.return_id and j.refund_id is null
    where not j.in_pool

),

paid as (

    select blob_id, refund_id as giving,
        sum(amount)::bigint as money,
        sum(case when shopify_voucher(gateway) is not null then amount else 0 end)::bigint as vouchers,
        bool_or(amount is null) as is_bad
    from shopify_refund_payments
    where kind = 'REFUND' and status in ('SUCCESS', 'PENDING')
    group by all

),

events as (

    select blob_id, id as giving, doc_ref, event_at from shopify_refunds
    union all
    select blob_id, giving, 'return-' || shopify_tail(giving), min(at_)
    from rows
    where giving not in (select id from shopify_refunds)
    group by all

)

select e.*, coalesce(p.money, 0) as money, coalesce(p.vouchers, 0) as vouchers, coalesce(p.is_bad, false) as is_bad,
    coalesce(a.amount, 0) as adjusted
from events as e
left join paid as p on p.blob_id = e.blob_id and p.giving = e.giving
left join shopify_adjustments as a on a.blob_id = e.blob_id and a.refund_id = e.giving;

-- The rows of each giving, positive when they are given back, with what of them never left the shop.
create or replace temp table shopify_given as
with firsts as (

    select blob_id, return_id, arg_min(id, (event_at, id)) as refund_id
    from shopify_refunds
    where return_id is not null
    group by all

),

rows as (

    select
        j.blob_id, coalesce(j.refund_id, f.refund_id, j.return_id, j.agreement_id) as giving, j.line_type, j.rate_bp,
        case when j.line_type in ('PRODUCT', 'GIFT_CARD') then j.item_id end as item_id,
        sum(case when j.action = 'RETURN' then j.quantity else 0 end)::bigint as quantity,
        -sum(j.gross)::bigint as gross, -sum(j.vat)::bigint as vat
    from shopify_journal as j
    left join firsts as f on f.blob_id = j.blob_id and f.return_id = j.return_id and j.refund_id is null
    where not j.in_pool
    group by all

),

sold as (

    select blob_id, item_id, sum(quantity)::bigint as quantity
    from shopify_pool
    where item_id is not null and blob_id in (select blob_id from rows)
    group by all

),

sent as (

    select l.blob_id, l.item_id, sum(l.quantity)::bigint as quantity
    from shopify_parcel_lines as l
    inner join shopify_parcels as p on p.blob_id = l.blob_id and p.id = l.parcel
    group by all

),

-- How many units of an item were given back without ever being sent. The shop says how many are
-- still to be sent, of those that were kept; when it does not, all that was not sent is, once nothing more will be.
-- Of a cancelled order nothing more is.
unsent as (

    select s.blob_id, s.item_id,
        greatest(s.quantity - coalesce(f.quantity, 0) - case when o.is_cancelled then 0
            when i.unsent is not null then least(i.unsent, coalesce(i.kept, i.unsent))
            when o.sent_status = 'FULFILLED' then 0 else s.quantity end, 0) as quantity
    from sold as s
    inner join shopify_orders as o on o.blob_id = s.blob_id
    left join sent as f on f.blob_id = s.blob_id and f.item_id = s.item_id
    left join shopify_items as i on i.blob_id = s.blob_id and i.item_id = s.item_id

),

ordered as (

    select r.*, g.event_at, g.money,
        coalesce(sum(r.quantity) over (partition by r.blob_id, r.item_id order by g.event_at, r.giving, r.rate_bp rows between unbounded preceding and 1 preceding), 0) as before
    from rows as r
    inner join shopify_givings as g on g.blob_id = r.blob_id and g.giving = r.giving

)

select o.* exclude (before),
    case when o.item_id is null then 0 else greatest(least(coalesce(u.quantity, 0) - o.before, o.quantity), 0) end as unsent
from ordered as o
left join unsent as u on u.blob_id = o.blob_id and u.item_id = o.item_id;

-- What left the shop: each fulfilment, or all of an order at once when nothing in it is sent and it is paid
-- (downloads, services, gift cards).
create or replace temp table shopify_sendings as
with all_of_it as (

    select o.blob_id, 'all' as id, o.order_id || '-all' as doc_ref, o.placed_at as event_at
    from shopify_orders as o
    where o.paid_status in ('PAID', 'PARTIALLY_REFUNDED', 'REFUNDED') and not o.is_cancelled
        and o.blob_id not in (select blob_id from shopify_parcels)
        and o.blob_id not in (select blob_id from shopify_items where ships)

)

select *, row_number() over (partition by blob_id order by event_at, id) = 1 as is_first
from (select blob_id, id, doc_ref, event_at from shopify_parcels union all select * from all_of_it);

-- Every line of every delivery and refund.
create or replace temp table shopify_lines as
with sendings as materialized (select * from shopify_sendings),

pool as materialized (select * from shopify_pool),

givings as materialized (select * from shopify_givings),

given as materialized (

    select *,
        case when unsent >= quantity then gross else div_half_away(gross::hugeint * unsent, quantity) end as unsent_gross,
        case when unsent >= quantity then vat else div_half_away(vat::hugeint * unsent, quantity) end as unsent_vat
    from (select * exclude (unsent, quantity), greatest(quantity, 1) as quantity, least(unsent, quantity) as unsent from shopify_given)

),

-- An item's units and amounts, less what was given back without leaving.
left_over as (

    select p.blob_id, p.item_id, p.line_type, p.rate_bp,
        p.gross - coalesce(g.gross, 0) as gross, p.vat - coalesce(g.vat, 0) as vat,
        sum(p.quantity) over (partition by p.blob_id, p.item_id) - coalesce(max(u.quantity) over (partition by p.blob_id, p.item_id), 0) as quantity
    from pool as p
    left join (select blob_id, item_id, line_type, rate_bp, sum(unsent_gross) as gross, sum(unsent_vat) as vat
        from given where unsent > 0 group by all) as g
        on g.blob_id = p.blob_id and g.item_id = p.item_id and g.line_type = p.line_type and g.rate_bp = p.rate_bp
    left join (select blob_id, item_id, sum(unsent) as quantity from given where item_id is not null group by all) as u
        on u.blob_id = p.blob_id and u.item_id = p.item_id
    where p.item_id is not null

),

moves as (

    select l.blob_id, l.parcel, l.item_id, sum(l.quantity) as quantity
    from shopify_parcel_lines as l
    group by all
    union all
    select s.blob_id, s.id, l.item_id, max(l.quantity)
    from sendings as s
    inner join left_over as l on l.blob_id = s.blob_id
    where s.id = 'all' and l.quantity > 0
    group by all

),

sent as (

    select m.*, s.doc_ref, s.event_at,
        sum(m.quantity) over (partition by m.blob_id, m.item_id) as sent,
        count(*) over (partition by m.blob_id, m.item_id) = 1 as is_only
    from moves as m
    inner join sendings as s on s.blob_id = m.blob_id and s.id = m.parcel

),

-- Running sums are dear: most items leave once.
counted as (

    select *, quantity as through from sent where is_only
    union all
    select *, sum(quantity) over (partition by blob_id, item_id order by event_at, parcel) from sent where not is_only

),

goods_sent as (

    select c.blob_id, 'delivery' as kind, c.doc_ref, c.event_at, l.line_type, c.item_id, c.quantity::bigint as quantity, l.rate_bp,
        shopify_share(l.gross, c.through - c.quantity, c.through, greatest(l.quantity, c.sent)) as gross,
        shopify_share(l.vat, c.through - c.quantity, c.through, greatest(l.quantity, c.sent)) as vat
    from counted as c
    inner join left_over as l on l.blob_id = c.blob_id and l.item_id = c.item_id
    where c.sent > 0

),

charges_sent as (

    select s.blob_id, 'delivery', s.doc_ref, s.event_at, p.line_type, null, null, p.rate_bp, p.gross, p.vat
    from sendings as s
    inner join pool as p on p.blob_id = s.blob_id
    where s.is_first and p.item_id is null

),

-- Paid, never sent and refunded: sold and given back at once.
never_sent as (

    select g.blob_id, 'delivery', 'cancelled-' || e.doc_ref, e.event_at, g.line_type, g.item_id, g.unsent, g.rate_bp,
        case when g.item_id is null then g.gross else g.unsent_gross end, case when g.item_id is null then g.vat else g.unsent_vat end
    from given as g
    inner join givings as e on e.blob_id = g.blob_id and e.giving = g.giving
    where e.money > 0 and (g.unsent > 0
        or (g.item_id is null and (g.line_type <> 'ADJUSTMENT' or g.vat <> 0) and g.blob_id not in (select blob_id from sendings)))

),

given_back as (

    select g.blob_id, 'refund' as kind, e.doc_ref, e.event_at, g.line_type, g.item_id, g.quantity, g.rate_bp,
        case when e.money > 0 or g.item_id is null then g.gross else g.gross - g.unsent_gross end as gross,
        case when e.money > 0 or g.item_id is null then g.vat else g.vat - g.unsent_vat end as vat,
        g.giving
    from given as g
    inner join givings as e on e.blob_id = g.blob_id and e.giving = g.giving
    where (g.line_type <> 'ADJUSTMENT' or g.vat <> 0)
        and (e.money > 0 or g.item_id is not null or g.blob_id in (select blob_id from sendings))

),

-- By how much the money differs from what was given back, when the shop says so itself.
differences as (

    select e.blob_id, e.giving, e.doc_ref, e.event_at, t.gross as lines,
        case when e.money = 0 then coalesce(a.gross, 0)
            when e.money - t.gross = coalesce(a.gross, 0) or abs(e.money - t.gross) = abs(e.adjusted) then e.money - t.gross
            else 0 end as difference
    from givings as e
    inner join (select blob_id, giving, sum(gross)::bigint as gross from given_back group by all) as t on t.blob_id = e.blob_id and t.giving = e.giving
    left join (select blob_id, giving, sum(gross)::bigint as gross from given where line_type = 'ADJUSTMENT' and vat = 0 group by all) as a
        on a.blob_id = e.blob_id and a.giving = e.giving

),

-- It goes over the rates of the goods it was taken off, in proportion, and its VAT with it.
spread as (

    select d.blob_id, 'refund' as kind, d.doc_ref, d.event_at, 'ADJUSTMENT' as line_type, null as item_id, null as quantity, g.rate_bp,
        div_half_away(d.difference::hugeint * g.through, d.lines) - div_half_away(d.difference::hugeint * (g.through - g.gross), d.lines) as gross
    from differences as d
    inner join (
        select blob_id, giving, rate_bp, sum(gross)::bigint as gross,
            (sum(sum(gross)) over (partition by blob_id, giving order by rate_bp))::bigint as through
        from given_back
        group by blob_id, giving, rate_bp
    ) as g on g.blob_id = d.blob_id and g.giving = d.giving
    where d.difference <> 0 and d.lines > 0

),

lines as (

    select * from goods_sent
    union all
    select * from charges_sent
    union all
    select * from never_sent
    union all
    select * exclude (giving) from given_back
    union all
    select *, vat_inside(gross, rate_bp) from spread

),

-- Gift cards and store credit pay for the first deliveries, as far as they go: what is left of a
-- delivery is what a payment provider owes.
vouchers as (

    select blob_id, shopify_voucher(gateway) as line_type, sum(amount)::bigint as amount
    from shopify_payments
    where kind in ('SALE', 'CAPTURE') and status = 'SUCCESS' and shopify_voucher(gateway) is not null
    group by all

),

deliveries as (

    select blob_id, doc_ref, any_value(event_at) as event_at, sum(gross)::bigint as gross
    from lines where kind = 'delivery' and blob_id in (select blob_id from vouchers) group by all

),

running as (select *, (sum(gross) over (partition by blob_id order by event_at, doc_ref))::bigint as through from deliveries),

paid_by_voucher as (

    select r.blob_id, 'delivery' as kind, r.doc_ref, r.event_at,
        upper(v.line_type) as line_type, null as item_id, null as quantity, 0 as rate_bp,
        -(greatest(least(v.through, r.through), 0) - greatest(least(v.through - v.amount, r.through), 0)
            - greatest(least(v.through, r.through - r.gross), 0) + greatest(least(v.through - v.amount, r.through - r.gross), 0))::bigint as gross,
        0::bigint as vat
    from running as r
    inner join (select *, (sum(amount) over (partition by blob_id order by line_type))::bigint as through from vouchers) as v on v.blob_id = r.blob_id

)

select blob_id, kind, doc_ref, event_at, line_type, item_id, quantity, rate_bp, gross, vat from lines
where gross <> 0 or vat <> 0 or gross is null

union all

select * from paid_by_voucher where gross <> 0

union all

select e.blob_id, 'refund', e.doc_ref, e.event_at, 'GIFT_CARD', null, null, 0, -e.vouchers, 0
from givings as e
where e.vouchers <> 0 and (e.vouchers = e.money or (e.blob_id, e.giving) in (select (blob_id, giving) from given_back));
