-- What the lines booked in this run put on each account, per class: the books' totals are read from these
-- few rows and not from the lines.

create or replace temp view new_lines as
select * from booked_lines where run_no = (select run_no from this_run);

insert into class_sums by name
select
    class_no, role, account, sum(amount_minor)::bigint as amount_minor, sum(amount_currency_minor)::bigint as amount_currency_minor,
    count(*) as postings, run_no
from (
{{line_postings}}
)
group by class_no, role, account, run_no;
