-- tmp_qliro__events: read by the models of documents, their lines and keys.
-- What has happened to an order: a row per order, delivery and refund. rows says which actions are its lines, times
-- their own sign: Ship and Return ('moved'), or what was reserved ('reserved').
--
-- Capture is a delivery; Refund and Credit are refunds; a Reversal is one when it takes back what was
-- captured, else a cancellation, without money. UpdateInvoice adds items to an invoice: those of a negative sum
-- are a refund (Qliro's own Magento module refunds that way). Debit, money taken at the purchase, and whatever
-- else items were shipped on, delivers these items and no more.

with
orders as materialized (select * from qliro_read),
transactions as materialized (
    select
        blob_id, order_id, position,
        t.PaymentTransactionId as id,
        try_cast(t.PaymentTransactionId as bigint) as no,
        nullif(nullif(t.OriginalPaymentTransactionId, '0'), '') as original,
        qliro_transaction_type(t.Type) as type,
        qliro_transaction_status(t.Status) as status,
        coalesce(upper(nullif(t.Currency, '')), currency) as currency,
        qliro_minor(t.Amount, coalesce(upper(nullif(t.Currency, '')), currency)) as amount,
        qliro_time(t.Timestamp) as at_,
        lower(nullif(t.PaymentMethodName, '')) as method,
        nullif(t.ProviderTransactionId, '') as provider_id
    from (select blob_id, order_id, currency, generate_subscripts(transactions, 1) - 1 as position, unnest(transactions) as t from orders)
),
sums as materialized (
    select
        blob_id, transaction,
        count(*) filter (action = 'Ship') as ships,
        count(*) filter (action in ('Ship', 'Return')) as moves,
        count(*) filter (action <> 'Release') as actions,
        sum(case when action in ('Ship', 'Return') then sign * quantity * inc end)::bigint as moved,
        sum(case when action in ('Ship', 'Return') then sign * quantity * inc_lowering end)::bigint as moved_lowering,
        sum(case when action in ('Reserve', 'Create') then quantity * inc end)::bigint as reserved,
        sum(case when action in ('Reserve', 'Create') then quantity * inc_lowering end)::bigint as reserved_lowering
    from qliro_acted
    group by blob_id, transaction
),
joined as materialized (
    select
        t.*, coalesce(s.ships, 0) as ships, coalesce(s.moves, 0) as moves, coalesce(s.actions, 0) as actions,
        s.moved, s.moved_lowering, s.reserved, s.reserved_lowering,
        o.type as original_type, coalesce(os.ships, 0) as original_ships
    from transactions as t
    left join sums as s on s.blob_id = t.blob_id and s.transaction = t.id
    left join transactions as o on o.blob_id = t.blob_id and o.id = t.original and o.status = 'Success'
    left join sums as os on os.blob_id = t.blob_id and os.transaction = t.original
    where t.status = 'Success'
),
sorted as (
    select
        *,
        case
            when type = 'Capture' then 'delivery'
            when type in ('Refund', 'Credit') then 'refund'
            when type = 'Reversal' then case when original_type = 'Capture' or original_type = 'UpdateInvoice' or original_ships > 0 then 'refund' end
            when type = 'UpdateInvoice' then case
                when coalesce(moved, reserved, amount) < 0 then 'refund'
                when moves > 0 or actions = 0 then 'delivery' end
            when moves > 0 then case when moved < 0 then 'refund' else 'delivery' end
        end as kind,
        case when type = 'UpdateInvoice' and moves = 0 then 'reserved' else 'moved' end as rows
    from joined
),
valued as materialized (
    select
        * exclude (amount),
        case when type in ('Capture', 'Refund', 'Credit', 'Reversal', 'UpdateInvoice') then case kind when 'refund' then abs(amount) else amount end
            else abs(coalesce(moved, 0)) end as amount,
        -- A discount lowers. Whether its price carries the sign is not documented: the transaction's amount decides.
        coalesce(abs(abs(case rows when 'reserved' then reserved else moved end) - abs(amount))
            > abs(abs(case rows when 'reserved' then reserved_lowering else moved_lowering end) - abs(amount)), false) as lowering
    from sorted
    where kind is not null
),
reservations as (
    select blob_id, arg_max(id, no) as id, max(no) as no, arg_max(amount, no) as amount
    from joined where type in ('Preauthorization', 'Debit') group by blob_id
),
totals as (
    select
        blob_id,
        coalesce(sum(amount) filter (kind = 'delivery'), 0) as captured,
        coalesce(sum(amount) filter (kind = 'refund'), 0) as refunded
    from valued group by blob_id
),
logs as (
    select
        blob_id, min(at_) as began, max(at_) as changed_at,
        bool_or(status in ('Created', 'InProcess', 'UserInteractionRequired', 'OnHold')) as is_pending,
        bool_or(status = 'Success' and type = 'Reversal') as is_reversed,
        arg_min(method, no) filter (method is not null) as method
    from transactions group by blob_id
),
placed as (
    select
        o.blob_id, r.id, r.no,
        r.amount + coalesce((sum(v.amount) filter (v.kind = 'delivery' and v.no < r.no)), 0) as amount
    from orders as o
    inner join reservations as r on r.blob_id = o.blob_id
    left join valued as v on v.blob_id = o.blob_id
    group by o.blob_id, r.id, r.no, r.amount
),
states as (
    select
        o.* exclude (transactions, actions), l.* exclude (blob_id), p.id as reservation, p.amount as ordered,
        coalesce(t.captured, 0) as captured, coalesce(t.refunded, 0) as refunded
    from orders as o
    left join logs as l on l.blob_id = o.blob_id
    left join placed as p on p.blob_id = o.blob_id
    left join totals as t on t.blob_id = o.blob_id
),
stated as materialized (
    select
        *,
        case
            when captured > 0 and refunded >= captured then 'refunded'
            when captured > 0 and captured >= coalesce(ordered, 0) then 'captured'
            when captured > 0 then 'part_captured'
            when is_reversed then 'cancelled'
            else 'reserved'
        end as status,
        -- Nothing more can happen: cancelled, or all of it captured and given back.
        coalesce(not is_pending and ((captured = 0 and is_reversed)
            or (captured > 0 and refunded >= captured and (captured >= ordered or is_reversed))), false) as is_final
    from states
)
select
    blob_id, 'order' as kind, order_id as doc_ref, order_id, order_number, currency, country, customer, method, status, is_final, changed_at,
    began as event_at, ordered as amount_minor, null as reference, reservation as transaction, 'reserved' as rows, false as lowering,
    null as original, null as original_type, '$' as locator
from stated
union all by name
select
    s.blob_id, v.kind, v.id as doc_ref, s.order_id, s.order_number, v.currency, s.country, s.customer, coalesce(v.method, s.method) as method, s.status, s.is_final, s.changed_at,
    v.at_ as event_at, v.amount as amount_minor, v.provider_id as reference, v.id as transaction, v.rows, v.lowering,
    v.original, v.original_type, '$.PaymentTransactions[' || v.position || ']' as locator
from valued as v
inner join stated as s on s.blob_id = v.blob_id
