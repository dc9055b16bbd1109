-- tmp_centra__orders: Orders, each in its newest version. Types Order, OrderTotals.

-- All that is read of an order is taken out of it at once: each look into JSON reads all of it.

select
    blob_id, '$.data.orders[' || (i - 1) || ']' as locator,
    v[1] as order_id, v[2] as order_number,
    upper(v[3]) as currency,
    upper(coalesce(nullif(v[4], ''), v[5])) as country,
    case when coalesce(nullif(trim(v[6]), ''), nullif(trim(v[7]), '')) is not null or upper(v[8]) = 'WHOLESALE' then 'business' else 'consumer' end as customer,
    lower(coalesce(nullif(v[9], ''), nullif(v[10], ''), v[11])) as method,
    upper(coalesce(v[12], '')) as status,
    centra_time(v[13]) as created_at, centra_time(v[14]) as updated_at,
    centra_minor(v[15], upper(v[3])) as total,
    coalesce(centra_minor(v[16], upper(v[3])), 0) as order_shipping,
    coalesce(centra_minor(v[17], upper(v[3])), 0) as order_handling,
    coalesce(centra_minor(v[18], upper(v[3])), 0) <> 0 as order_tax_deducted,
    j[1] as totals, j[2] as lines, j[3] as shipments, centra_list(j[4]) as history
from (
    select blob_id, o.i as i,
        json_extract_string(o.x, ['$.id', '$.number', '$.grandTotal.currency.code', '$.shippingAddress.country.code', '$.billingAddress.country.code',
            '$.billingAddress.vatNumber', '$.shippingAddress.vatNumber', '$.store.type', '$.paymentMethod.uri', '$.paymentMethod.plugin', '$.paymentMethod.name',
            '$.status', '$.createdAt', '$.updatedAt', '$.grandTotal.value', '$.totals.shipping.value', '$.totals.handling.value', '$.totals.taxDeducted.value']) as v,
        json_extract(o.x, ['$.totals', '$.lines', '$.shipments', '$.paymentHistory']) as j
    from (
        select blob_id, unnest(list_transform(coalesce(json_extract(body, '$.data.orders[*]'), []::json[]), lambda x, i: {'x': x, 'i': i})) as o
        from raw
    )
)
qualify row_number() over (partition by v[1] order by blob_id desc) = 1
