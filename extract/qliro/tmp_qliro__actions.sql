-- tmp_qliro__actions: read by the models of documents and their lines.
-- The item actions of orders. sign: shipped is owed, returned is given back.

select
    *,
    case when type = 'Discount' then -abs(inc) else inc end as inc_lowering,
    case when type = 'Discount' then -abs(ex) else ex end as ex_lowering,
    case action when 'Return' then -1 when 'Release' then 0 else 1 end as sign
from (
    select
        blob_id, order_id, country, position,
        nullif(a.MerchantReference, '') as reference,
        coalesce(a.Description, '') as description,
        try_cast(a.Quantity as bigint) as quantity,
        qliro_minor(a.PricePerItemIncVat, currency) as inc,
        qliro_minor(a.PricePerItemExVat, currency) as ex,
        qliro_action_type(a.ActionType) as action,
        qliro_item_type(a.Type) as type,
        a.PaymentTransactionId as transaction
    from (select blob_id, order_id, currency, country, generate_subscripts(actions, 1) - 1 as position, unnest(actions) as a from qliro_read)
)
