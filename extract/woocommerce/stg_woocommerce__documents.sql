-- stg_woocommerce__documents: one row per order, and one for its delivery once its status says so. Renames, casts; no
-- joins, no sums over rows.
--
-- Streams: orders, lookup (a page of orders, or one)
-- Key:    kind, doc_ref
-- Units:  minor units
-- Source: https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties
--
-- Inferred, and so a setting (delivered_when): a delivery is the status completed, on date_completed_gmt. When processing
-- counts, it is the day of payment, so that the day stays when the order is completed. An order that was given back whole
-- (refunded) was delivered, or it would have been cancelled; one that was cancelled afterwards was not, unless refunds say
-- how it was undone. Trash is housekeeping and takes nothing back.

with

orders as (

    select
        blob_id, locator, order_id, currency, country, delivered_when, o.order_key as order_key,
        coalesce(nullif(trim(o.number), ''), o.id) as order_number,
        case when len(list_filter(o.meta_data, m -> (woo_is_vat_key(m.key) and trim(m.value) <> '') or (m.key = 'is_vat_exempt' and m.value = 'yes'))) > 0
            then 'business' else 'consumer' end as customer,
        lower(nullif(o.payment_method, '')) as method,
        regexp_replace(lower(o.status), '^wc-', '') as status,
        -- The site's own time, which is not UTC, only where a plugin left the other out.
        coalesce(woo_time(o.date_created_gmt), woo_time(o.date_created)) as created_at,
        coalesce(woo_time(o.date_modified_gmt), woo_time(o.date_modified)) as modified_at,
        coalesce(woo_time(o.date_paid_gmt), woo_time(o.date_paid)) as paid_at,
        coalesce(woo_time(o.date_completed_gmt), woo_time(o.date_completed)) as completed_at,
        woo_minor(woo_decimal(o.total), currency) as amount_minor,
        len(o.refunds) > 0 as has_refunds,
        -- Nothing was sold where nothing has a price. Where things have and nothing is left to pay, a gift card paid.
        case when amount_minor is distinct from 0 then true else len(list_filter(o.line_items, l -> woo_decimal(l.total) <> 0)) > 0 end as is_sale

    from woo_documents

),

judged as (

    select
        *,
        coalesce(
            list_contains(delivered_when, status)
            or (status = 'refunded' and coalesce(completed_at, paid_at) is not null)
            or (status = 'trash' and completed_at is not null)
            or (status = 'cancelled' and completed_at is not null and has_refunds),
            false) as is_delivered,
        case when list_contains(delivered_when, 'processing') then coalesce(paid_at, completed_at, created_at)
            else coalesce(completed_at, paid_at, created_at) end as delivered_at

    from orders

),

events as (

    select 'order' as kind, created_at as event_at, * from judged

    union all

    select 'delivery', delivered_at, * from judged where is_delivered and is_sale

)

select
    kind,
    order_id as doc_ref,
    order_id,
    order_number,
    order_key as reference,
    event_at,
    currency,
    amount_minor,
    country,
    customer,
    method,
    status,
    coalesce(status in ('cancelled', 'refunded', 'failed', 'trash'), false) as is_final,
    coalesce(modified_at, completed_at, paid_at, created_at) as changed_at,
    blob_id,
    locator

from events
