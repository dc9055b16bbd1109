-- tmp_woocommerce__lines: what the lines of orders and of refunds are in money and at which rate.
--
-- From:  woo_documents (the documents of an answer, o as it was stated, with sign: -1 where lines come negative) and woo_rates (the rates a document states)
-- Key:   ref, section (1 things, 2 shipping, 3 fees), n
-- Units: minor units with VAT included, rounded once per line from net plus tax
--
-- A line names its rates by ID. A rate that is not stated is what the taxes of it are of their lines, and the country's legal rate
-- nearest to it.

with

rows as (

    -- Of a line only what is asked for: these rows are read many times. A name says something of fees alone.
    select
        ref, order_id, country, currency, sign, 1 as section, n, null as name,
        -- A gift card that was sold is a debt to its holder, and no sale yet.
        len(list_filter(l.meta_data, m -> regexp_matches(lower(m.key), '^_?(wc_gc_|pw_gift_card|ywgc_|giftcard_|gift_card_)'))) > 0 as is_gift_card,
        woo_reference(l) as reference, l.quantity as quantity, l.total as total, l.total_tax as total_tax, l.taxes as taxes
    from (select ref, order_id, country, currency, sign, generate_subscripts(o.line_items, 1) * 100 as n, unnest(o.line_items) as l from woo_documents where ref is not null)

    union all

    select ref, order_id, country, currency, sign, 2, n, null, false, woo_reference(l), l.quantity, l.total, l.total_tax, l.taxes
    from (select ref, order_id, country, currency, sign, generate_subscripts(o.shipping_lines, 1) * 100 as n, unnest(o.shipping_lines) as l from woo_documents where ref is not null)

    union all

    select ref, order_id, country, currency, sign, 3, n, l.name, false, woo_reference(l), l.quantity, l.total, l.total_tax, l.taxes
    from (select ref, order_id, country, currency, sign, generate_subscripts(o.fee_lines, 1) * 100 as n, unnest(o.fee_lines) as l from woo_documents where ref is not null)

),

amounts as (

    select
        * exclude (total, total_tax, taxes),
        coalesce(woo_decimal(total), 0) as net,
        woo_decimal(total_tax) as stated_tax,
        -- Entries of rates that do not apply come with an empty total.
        list_filter(list_transform(coalesce(taxes, []), t -> {'id': t.id, 'tax': coalesce(woo_decimal(t.total), 0)}), t -> t.tax <> 0) as taxes
    from rows

),

taxed as (

    select
        *,
        coalesce(list_aggregate(list_transform(taxes, t -> t.tax), 'sum'), 0)::decimal(21, 8) as exact_tax,
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
    left join woo_rates as r on r.ref = t.ref and r.rate_id = t.x.id
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
    from (select ref, country, net, t.id as rate_id, t.tax as tax from (select ref, country, net, unnest(taxes) as t from parted where len(taxes) > 0))
    anti join woo_rates using (ref, rate_id)
    group by ref, rate_id

),

applied as (

    select t.ref, t.section, t.n, sum(case when coalesce(r.compound, false) then 0 else coalesce(r.rate_bp, q.rate_bp) end) as simple,
        sum(case when coalesce(r.compound, false) then coalesce(r.rate_bp, q.rate_bp) else 0 end) as compound
    from (select ref, section, n, unnest(list_transform(taxes, t -> t.id)) as rate_id from parted) as t
    left join woo_rates as r on r.ref = t.ref and r.rate_id = t.rate_id
    left join quotients as q on q.ref = t.ref and q.rate_id is not distinct from t.rate_id
    group by t.ref, t.section, t.n

)

select
    t.ref, t.order_id, t.section, t.n, t.currency, t.name, t.is_gift_card, t.reference, try_cast(woo_decimal(t.quantity) as bigint) as quantity,
    case
        when a.simple is not null and a.compound = 0 then a.simple
        when a.simple is not null then a.simple + a.compound + div_half_away(a.simple::hugeint * a.compound, 10000)
        -- A tax that names no rate.
        when t.tax <> 0 then woo_rate(t.country, t.net, t.tax, 1)
        else 0
    end::integer as rate_bp,
    sign * woo_minor(t.net + t.tax, t.currency) as gross_minor,
    sign * woo_minor(coalesce(t.stated_tax, t.tax), t.currency) as vat_minor
from parted as t
left join applied as a on a.ref = t.ref and a.section = t.section and a.n = t.n
