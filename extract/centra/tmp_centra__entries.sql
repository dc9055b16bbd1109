-- tmp_centra__entries: The payment histories of orders. Type PaymentHistoryEntry.

select
    o.blob_id, o.i, o.order_id, e.n, e.x.id as entry_id,
    centra_kind(e.x.entryType) as kind, upper(e.x.status) as status, centra_failed(e.x.status) as failed,
    abs(centra_minor(e.x.value.value, o.currency)) as amount, centra_time(e.x.createdAt) as at_,
    centra_refs(e.x) as refs, e.x.paramsJSON as params
from (select blob_id, i, unnest(o.paymentHistory) as x, generate_subscripts(o.paymentHistory, 1) as n from centra_unfolded) as e
inner join centra_orders as o on o.blob_id = e.blob_id and o.i = e.i
