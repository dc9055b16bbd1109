-- Gathers the lines of each document to be looked at by class, country and VAT rate.
-- Source: posting_rules §2 (entries 1, 2, 11) and §3.

delete from document_groups where document_id in (select document_id from todo_documents);

insert into document_groups by name

with

lines as (

    select
        d.document_id, d.country, l.gross_minor, l.vat_minor, l.rate_bp,
        case
            when l.line_type in ('gift_card', 'store_credit') then 'gift_card'
            -- Tax and duty collected for others, and words nobody knows: no rule of ours says where they go.
            when l.line_type in ('sales_tax', 'duty', 'unknown') then 'unknown'
            else 'goods'
        end as class

    from documents as d
    inner join todo_documents using (document_id)
    inner join document_lines as l using (document_id)

    where d.kind in ('order', 'delivery', 'refund')

)

select
    document_id, class, country,
    case class when 'goods' then rate_bp else 0 end as rate_bp,
    sum(gross_minor) as gross_minor,
    sum(case class when 'goods' then coalesce(vat_minor, vat_inside(gross_minor, rate_bp)) else 0 end) as vat_minor,
    'stated lines' as how

from lines

group by all;

-- Lines and total disagree by no more than the tolerance, or by what a person accepted: a rounding row (posting_rules §3).
-- By more: 30_document_states.sql holds the document.
insert into document_groups by name
select
    d.document_id, 'rounding' as class, any_value(d.country) as country, 0 as rate_bp,
    any_value(d.amount_minor) - sum(g.gross_minor) as gross_minor, 0 as vat_minor,
    'total less lines' as how

from documents as d
inner join todo_documents using (document_id)
inner join document_groups as g using (document_id)
left join document_decisions as x on x.document_id = d.document_id and x.kind = 'document_does_not_add_up' and x.action in ('accept', 'account')

where d.kind in ('delivery', 'refund')

group by d.document_id

having abs(any_value(d.amount_minor) - sum(g.gross_minor)) between 1 and (select tolerance from set_company)
    or any_value(d.amount_minor) - sum(g.gross_minor) = any_value(x.amount_minor) and any_value(x.amount_minor) <> 0;
