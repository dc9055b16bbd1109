-- stg_svea__documents: one row per order, per delivery and per credit (a refund). What they are: tmp_svea__events.sql.
--
-- Stream: orders (one order)
-- Key:    kind, doc_ref
-- Units:  minor units; an order's amount is what was not cancelled of it
-- Source: https://docs.payments.svea.com/docs/manage-order, fixtures of notima/svea-pmt-admin-api
--
-- A credit has no date. It is dated by the report row that settles it, when one is known by the time the
-- credit is first seen, else by when that was; once dated it stays. So this model looks at
-- the rows and refunds of its own source that are known already, and at when an answer came.
-- The country is where the goods went: that is where VAT is due (Directive 2006/112/EC, article 33). An order
-- without any address is in the country of its currency, where that is one country.

with

events as materialized (

    select
        blob_id, order_id, merchant_number, payment_type, currency, state, is_company, kind, doc_ref, invoice_id, amount_minor, event_at, locator,
        coalesce(country, case currency when 'SEK' then 'SE' when 'NOK' then 'NO' when 'DKK' then 'DK' end) as country
    from svea_happened

),

-- When each undated credit was first seen.
seen as (

    select e.doc_ref, b.source, e.order_id, e.amount_minor, min(b.fetched_at) as seen_at
    from events as e
    inner join blobs as b using (blob_id)
    where e.kind = 'refund' and e.event_at is null
    group by e.doc_ref, b.source, e.order_id, e.amount_minor

),

-- Which one of its order and amount it is: rows of a report settle them in this order.
credits as (

    select *, row_number() over (partition by source, order_id, amount_minor order by seen_at, length(doc_ref), doc_ref) as ordinal
    from seen

),

settled as (

    select
        l.source, l.order_key, -l.gross_minor as amount_minor, l.event_at,
        row_number() over (partition by l.source, l.order_key, l.gross_minor order by l.event_at, l.line_id) as ordinal
    from payout_lines as l
    semi join credits as c on c.source = l.source and c.order_id = l.order_key
    where l.provider_type = 'Credit'

),

dates as (

    select 'refund' as kind, c.order_id, c.doc_ref, coalesce(d.event_at, least(c.seen_at, s.event_at)) as event_at
    from credits as c
    left join documents as d on d.source = c.source and d.kind = 'refund' and d.order_id = c.order_id and d.doc_ref = c.doc_ref
    left join settled as s on s.source = c.source and s.order_key = c.order_id and s.amount_minor = c.amount_minor and s.ordinal = c.ordinal

),

dated as (

    select e.* exclude (event_at), coalesce(e.event_at, x.event_at) as event_at
    from events as e
    left join dates as x on x.kind = e.kind and x.order_id = e.order_id and x.doc_ref = e.doc_ref

),

sums as (

    select
        blob_id, max(event_at) as changed_at,
        coalesce(sum(amount_minor) filter (kind = 'delivery'), 0) as delivered,
        coalesce(sum(amount_minor) filter (kind = 'refund'), 0) as credited
    from dated
    group by blob_id

)

select
    kind,
    doc_ref,
    order_id,
    svea_number(merchant_number) as order_number,
    case when svea_number(merchant_number) <> merchant_number then merchant_number else 'invoice ' || invoice_id end as reference,
    event_at,
    currency,
    amount_minor,
    country,
    case when is_company = 'true' then 'business' else 'consumer' end as customer,
    svea_method(nullif(payment_type, '')) as method,
    upper(state) as status,
    -- Nothing more can happen: never delivered and given up, or all of it delivered and given back.
    (state in ('cancelled', 'failed', 'expired') and delivered = 0)
        or (state <> 'open' and state <> 'processing' and delivered > 0 and credited >= delivered) as is_final,
    changed_at,
    blob_id,
    locator

from dated
inner join sums using (blob_id)
