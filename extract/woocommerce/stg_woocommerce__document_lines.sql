-- stg_woocommerce__document_lines: one row per line of an order, and again per line of its delivery.
--
-- Streams: orders, lookup (a page of orders, or one)
-- Key:    kind, doc_ref, line_no
-- Units:  minor units with VAT included, rounded once per line from net plus tax; what the total then differs by is the
--         document's rounding row. Discounts by coupon are in the lines' totals already
-- Source: https://woocommerce.github.io/woocommerce-rest-api-docs/#order-line-items-properties
--
-- A line names its rates by ID; the order's tax_lines say how many per cent that is (rate_percent, in newer versions). Else it is
-- what the taxes of that rate are of their lines, and the country's legal rate nearest to it. Gift cards that were used are in no
-- line: the total is lower by them.

with

documents as (

    select
        blob_id, o.id as ref, o.id as order_id, o, 1 as sign, upper(o.currency) as currency, woo_country(key, o.shipping.country, o.billing.country) as country,
        coalesce(list_aggregate(list_transform(coalesce(o.gift_cards, o.pw_gift_cards, []), g -> abs(woo_decimal(g.amount))), 'sum'), 0)::decimal(21, 8)
            + coalesce(list_aggregate(flatten(list_transform(list_filter(coalesce(o.meta_data, []), m -> m.key = '_ywgc_applied_gift_cards'),
                m -> list_transform(coalesce(from_json(try_cast(m.value as json), '["VARCHAR"]'), map_values(from_json(try_cast(m.value as json), '"MAP(VARCHAR, VARCHAR)"')), []), v -> abs(woo_decimal(v))))), 'sum'), 0)::decimal(21, 8) as given
    from woo_orders
    where o.id is not null

),

rates as (

    select ref, t.rate_id as rate_id, woo_minor(woo_decimal(t.rate_percent), 'SEK')::integer as rate_bp, coalesce(lower(t.compound) in ('true', '1', 'yes'), false) as compound
    from (select ref, unnest(o.tax_lines) as t from documents)
    where woo_decimal(t.rate_percent) is not null
    qualify row_number() over (partition by ref, t.rate_id) = 1

),

rows as (

    select blob_id, ref, order_id, country, currency, sign, 1 as section, generate_subscripts(o.line_items, 1) * 100 as n, unnest(o.line_items) as l from documents
    union all
    select blob_id, ref, order_id, country, currency, sign, 2, generate_subscripts(o.shipping_lines, 1) * 100, unnest(o.shipping_lines) from documents
    union all
    select blob_id, ref, order_id, country, currency, sign, 3, generate_subscripts(o.fee_lines, 1) * 100, unnest(o.fee_lines) from documents

),

amounts as (

    select
        *,
        coalesce(woo_decimal(l.total), 0) as net,
        woo_decimal(l.total_tax) as stated_tax,
        -- Entries of rates that do not apply come with an empty total.
        list_filter(list_transform(coalesce(l.taxes, []), t -> {'id': t.id, 'tax': coalesce(woo_decimal(t.total), 0)}), t -> t.tax <> 0) as taxes,
        coalesce(list_aggregate(list_transform(coalesce(l.taxes, []), t -> coalesce(woo_decimal(t.total), 0)), 'sum'), 0)::decimal(21, 8) as exact_tax
    from rows

),

taxed as (

    select
        *,
        -- Six places where they are there and mean the same, so that net and tax that were one price are that price again.
        case when stated_tax is null or (len(taxes) > 0 and abs(exact_tax - stated_tax) <= 0.01 * len(taxes)) then exact_tax else stated_tax end as tax
    from amounts

),

-- A line taxed at several rates, each on its part of the net: shipping spread over the rates of a basket. Each tax over its rate is
-- the net of its part, and together they come to the line's. Where rates stand on top of each other (state and county) each comes
-- to all of it, and the line stays whole. At eight places, as integers.
alone as (

    select ref, taxes[1].id as rate_id, woo_rate(any_value(country), sum(net)::decimal(21, 8), sum(tax)::decimal(21, 8), count(*)) as rate_bp
    from taxed
    where len(taxes) = 1 and ref in (select ref from taxed where len(taxes) > 1)
    group by ref, taxes[1].id

),

shares as (

    select
        t.ref, t.section, t.n, t.i, t.of, t.x.id as id, t.x.tax as tax,
        div_half_away(round(abs(t.x.tax) * 100000000)::hugeint * 10000, coalesce(r.rate_bp, a.rate_bp)) as base
    from (select ref, section, n, len(taxes) as of, generate_subscripts(taxes, 1) as i, unnest(taxes) as x from taxed where len(taxes) > 1) as t
    left join rates as r on r.ref = t.ref and r.rate_id = t.x.id
    left join alone as a on a.ref = t.ref and a.rate_id = t.x.id
    where coalesce(r.rate_bp, a.rate_bp) > 0 and not coalesce(r.compound, false)

),

parts as (

    select s.*, round(abs(t.net) * 100000000)::hugeint as whole, sign(t.net)::integer as direction,
        row_number() over (partition by s.ref, s.section, s.n order by s.base desc, s.i) = 1 as is_largest,
        count(*) over (partition by s.ref, s.section, s.n) as known,
        sum(s.base) over (partition by s.ref, s.section, s.n)::hugeint as bases
    from shares as s
    inner join taxed as t on t.ref = s.ref and t.section = s.section and t.n = s.n

),

parted as (

    select * from taxed anti join (select ref, section, n from parts where known = of and 2 * bases < 3 * whole) using (ref, section, n)

    union all

    select t.* replace (
        t.n + p.i as n,
        -- The largest takes what rounding left of the net.
        (p.direction * (case when p.is_largest then p.whole - (p.bases - p.base) else p.base end)::decimal(21, 0) * 0.00000001)::decimal(21, 8) as net,
        p.tax as stated_tax, [{'id': p.id, 'tax': p.tax}] as taxes, p.tax as exact_tax, p.tax as tax)
    from parts as p
    inner join taxed as t on t.ref = p.ref and t.section = p.section and t.n = p.n
    where p.known = p.of and 2 * p.bases < 3 * p.whole

),

-- What each rate comes to over the document, for rates that it does not state.
quotients as (

    select ref, rate_id, woo_rate(any_value(country), sum(net)::decimal(21, 8), sum(tax)::decimal(21, 8), count(*)) as rate_bp
    from (select ref, country, net, unnest(taxes, recursive := true) from (select ref, country, net, list_transform(taxes, t -> {'rate_id': t.id, 'tax': t.tax}) as taxes from parted where len(taxes) > 0))
    group by ref, rate_id

),

applied as (

    select t.ref, t.section, t.n, sum(case when coalesce(r.compound, false) then 0 else coalesce(r.rate_bp, q.rate_bp) end) as simple,
        sum(case when coalesce(r.compound, false) then coalesce(r.rate_bp, q.rate_bp) else 0 end) as compound
    from (select ref, section, n, unnest(list_transform(taxes, t -> t.id)) as rate_id from parted) as t
    left join rates as r on r.ref = t.ref and r.rate_id = t.rate_id
    left join quotients as q on q.ref = t.ref and q.rate_id is not distinct from t.rate_id
    group by t.ref, t.section, t.n

),

lines as (

    select
        t.ref, t.order_id, t.section, t.n, t.currency, t.l,
        case
            when a.simple is not null then a.simple + a.compound + div_half_away(a.simple::hugeint * a.compound, 10000)
            -- A tax that names no rate.
            when t.tax <> 0 then woo_rate(t.country, t.net, t.tax, 1)
            else 0
        end::integer as rate_bp,
        sign * woo_minor(t.net + t.tax, t.currency) as gross_minor,
        sign * woo_minor(coalesce(t.stated_tax, t.tax), t.currency) as vat_minor
    from parted as t
    left join applied as a on a.ref = t.ref and a.section = t.section and a.n = t.n

),

typed as (

    select
        ref, order_id, section, n,
        case section
            when 2 then 'shipping'
            when 3 then case
                when vat_minor = 0 and gross_minor < 0 and woo_is_gift_card(l.name) then 'gift_card'
                when vat_minor = 0 and gross_minor < 0 and woo_is_store_credit(l.name) then 'store_credit'
                when gross_minor < 0 then 'discount' else 'fee' end
            else case
                -- A gift card that was sold is a debt to its holder, and no sale yet.
                when vat_minor = 0 and len(list_filter(l.meta_data, m -> regexp_matches(lower(m.key), '^_?(wc_gc_|pw_gift_card|ywgc_|giftcard_|gift_card_)'))) > 0 then 'gift_card'
                else 'goods' end
        end as line_type,
        coalesce(nullif(l.sku, ''), nullif(l.product_id, ''), nullif(l.method_id, '')) as reference,
        try_cast(woo_decimal(l.quantity) as bigint) as quantity,
        gross_minor, vat_minor, rate_bp
    from lines
    where gross_minor is distinct from 0 or vat_minor is distinct from 0

    union all

    -- Gift cards that were used, unless a fee row says so already: the lines then are the total as they stand.
    select d.ref, d.order_id, 4, 1, 'gift_card', null, 1, -woo_minor(d.given, d.currency), 0, 0
    from documents as d
    inner join (select ref, sum(gross_minor) as gross from lines group by ref) as s using (ref)
    where d.given > 0 and 2 * (s.gross - woo_minor(woo_decimal(d.o.total), d.currency)) > woo_minor(d.given, d.currency)

)

select
    k.kind, ref as doc_ref, order_id, row_number() over (partition by k.kind, ref order by section, n) as line_no,
    line_type, reference, quantity, gross_minor, vat_minor, rate_bp

from typed cross join (values ('order'), ('delivery')) as k (kind)
