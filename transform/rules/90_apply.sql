-- Desired minus booked (posting_rules §7). New subjects get their entry; a subject that is
-- booked already gets one correction entry for what differs. Rows are added, never changed.
--
-- In:  desired (one row per wanted posting), work_subjects (what was looked at)

create or replace temp table subject_lines as
select * from booked_lines where line_id in (select subject from work_subjects);

create or replace temp table booked_entries as
select entry_id, coalesce(corrects, entry_id) as subject
from entry_rows
where coalesce(corrects, entry_id) in (select subject from work_subjects)
union all
select line_id, line_id from subject_lines;

---------- first bookings

insert into entry_rows by name
select
    d.subject as entry_id, any_value(d.book_date) as book_date, any_value(d.event_date) as event_date, any_value(d.kind) as kind,
    any_value(d.source) as source, any_value(d.entry_document) as document_id, any_value(d.text) as text,
    null::uuid as corrects, any_value(d.book) as book, any_value(r.run_no) as run_no

from desired as d
cross join this_run as r

where d.subject not in (select subject from booked_entries)

group by d.subject;

insert into posting_rows by name
select
    d.subject as entry_id, d.line, d.book_date, d.account, d.role, d.amount_minor, d.currency, d.amount_currency_minor,
    d.source, d.document_id, d.country, d.rate_bp, d.book, d.rule, d.blob_id, d.row_no, d.locator, r.run_no

from desired as d
cross join this_run as r

where d.subject not in (select subject from booked_entries);

---------- corrections

create or replace temp table booked_postings as
select e.subject, p.role, p.account, p.amount_minor, p.currency, p.amount_currency_minor, p.document_id, p.country, p.rate_bp
from posting_rows as p
inner join booked_entries as e on e.entry_id = p.entry_id
union all
select entry_id, role, account, amount_minor, currency, amount_currency_minor, document_id, null, null
from (
{{line_postings}}
);

-- A change of mapping does not move what is booked: a role that is booked keeps its account.
create or replace temp table sticky as
select subject, role, country, rate_bp, any_value(account) as account
from (
    select subject, role, country, rate_bp, account
    from booked_postings
    group by all
    having sum(amount_minor) <> 0 or sum(amount_currency_minor) <> 0
)
group by all
having count(*) = 1;

create or replace temp table differences as
select
    subject, role, account, currency, document_id, country, rate_bp,
    sum(amount_minor) as amount_minor, sum(amount_currency_minor) as amount_currency_minor,
    max(rule) as rule, max(blob_id) as blob_id, max(row_no) as row_no, max(locator) as locator

from (
    select d.subject, d.role, coalesce(k.account, d.account) as account, d.currency, d.document_id, d.country, d.rate_bp,
        d.amount_minor, d.amount_currency_minor, d.rule, d.blob_id, d.row_no, d.locator
    from desired as d
    left join sticky as k on k.subject = d.subject and k.role = d.role
        and k.country is not distinct from d.country and k.rate_bp is not distinct from d.rate_bp
    where d.subject in (select subject from booked_entries)

    union all

    select subject, role, account, currency, document_id, country, rate_bp,
        -amount_minor, -amount_currency_minor, null, null, null, null
    from booked_postings
)

group by subject, role, account, currency, document_id, country, rate_bp

having sum(amount_minor) <> 0 or sum(amount_currency_minor) <> 0;

create or replace temp table corrections as
select
    x.subject,
    name_of(x.subject::varchar || ' correction ' || (select count(*) from booked_entries as b where b.subject = x.subject)) as entry_id,
    first.kind as first_kind, first.source, first.document_id, first.book,
    coalesce(d.event_date, first.event_date) as event_date,
    greatest(coalesce(d.book_date, first.book_date), coalesce(c.locked_through + 1, date '0001-01-01')) as book_date,
    coalesce(w.reason, case when d.subject is null then 'no longer at the source' else 'changed at the source' end) as reason,
    first.book_date as first_date

from (select distinct subject from differences) as x
inner join (
    select entry_id, kind, source, document_id, book, event_date, book_date from entry_rows
    where entry_id in (select subject from differences)
    union all
    select b.line_id, case c.kind when 'payout' then 'payout' else 'payout_line' end, c.source, c.payout_document, c.payout_document, c.event_date, c.book_date
    from subject_lines as b inner join line_classes as c using (class_no)
) as first on first.entry_id = x.subject
cross join set_company as c
left join (
    select subject, any_value(event_date) as event_date, any_value(book_date) as book_date
    from desired group by subject
) as d on d.subject = x.subject
-- Who decided it, where a person did (bokföringslagen 5 kap. 5 §).
left join decided_reasons as w on w.subject = x.subject;

insert into entry_rows by name
select
    entry_id, book_date, event_date, 'correction' as kind, source, document_id,
    'Correction of ' || first_kind || ' ' || first_date || ', ' || document_id || ': ' || reason as text,
    subject as corrects, book, r.run_no
from corrections
cross join this_run as r;

insert into posting_rows by name
select
    c.entry_id,
    (row_number() over (partition by c.entry_id order by x.role, x.account, x.document_id, x.country, x.rate_bp))::utinyint as line,
    c.book_date, x.account, x.role, x.amount_minor, x.currency, x.amount_currency_minor,
    c.source, x.document_id, x.country, x.rate_bp, c.book, coalesce(x.rule, 'correction') as rule,
    x.blob_id, x.row_no, x.locator, r.run_no

from differences as x
inner join corrections as c using (subject)
cross join this_run as r;
