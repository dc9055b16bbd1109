-- The sums of the payout lines are those of the lines.
with

lines as (

    select class_no, role, account, sum(amount_minor) as amount, sum(amount_currency_minor) as in_currency, count(*) as postings
    from (
{{line_postings}}
    )
    group by class_no, role, account

),

sums as (

    select class_no, role, account, sum(amount_minor) as amount, sum(amount_currency_minor) as in_currency, sum(postings) as postings
    from class_sums
    group by class_no, role, account

)

select 'class ' || coalesce(l.class_no, s.class_no) || ', account ' || coalesce(l.account, s.account) as key,
    'the lines say ' || coalesce(l.amount, 0) || ', their sum ' || coalesce(s.amount, 0) as wrong
from lines as l
full join sums as s on s.class_no = l.class_no and s.role = l.role and s.account = l.account
where (l.amount, l.in_currency, l.postings) is distinct from (s.amount, s.in_currency, s.postings)
