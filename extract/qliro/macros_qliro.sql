-- How Qliro writes amounts, words, moments and rates, and what an order's log amounts to.
-- Source: https://developers.qliro.com/, Admin API v2.

-- A decimal in major units as minor units, never rounded: more decimals than the currency has make it unknown.
create or replace temp macro qliro_minor(t, cur) as
    case
        when exponent(cur) = 2 and regexp_full_match(t, '-?[0-9]{1,13}([.][0-9]{1,2}0*)?')
            then (t::decimal(18, 4) * 100::decimal(3, 0))::bigint
        when exponent(cur) = 0 and regexp_full_match(t, '-?[0-9]{1,13}([.]0+)?') then t::decimal(18, 4)::bigint
        when exponent(cur) = 3 and regexp_full_match(t, '-?[0-9]{1,13}([.][0-9]{1,3}0*)?')
            then (t::decimal(18, 4) * 1000::decimal(4, 0))::bigint
    end;

-- Enums, declared as integers and seen as words, as their words; what is in no list stays as it came.
create or replace temp macro qliro_transaction_type(v) as
    case lower(trim(v)) when '0' then 'Preauthorization' when 'preauthorization' then 'Preauthorization' when '1' then 'Debit' when 'debit' then 'Debit' when '2' then 'Credit' when 'credit' then 'Credit' when '3' then 'Capture' when 'capture' then 'Capture' when '4' then 'Reversal' when 'reversal' then 'Reversal' when '5' then 'Refund' when 'refund' then 'Refund' when '6' then 'UpdateInvoice' when 'updateinvoice' then 'UpdateInvoice' when '7' then 'Registration' when 'registration' then 'Registration' else v end;
create or replace temp macro qliro_transaction_status(v) as
    case lower(trim(v)) when '0' then 'Created' when 'created' then 'Created' when '1' then 'InProcess' when 'inprocess' then 'InProcess' when '2' then 'UserInteractionRequired' when 'userinteractionrequired' then 'UserInteractionRequired' when '3' then 'OnHold' when 'onhold' then 'OnHold' when '4' then 'Success' when 'success' then 'Success' when '5' then 'Error' when 'error' then 'Error' when '6' then 'Cancelled' when 'cancelled' then 'Cancelled' else v end;
create or replace temp macro qliro_action_type(v) as
    case lower(trim(v)) when '0' then 'Create' when 'create' then 'Create' when '1' then 'Reserve' when 'reserve' then 'Reserve' when '2' then 'Ship' when 'ship' then 'Ship' when '3' then 'Return' when 'return' then 'Return' when '4' then 'Release' when 'release' then 'Release' else v end;
create or replace temp macro qliro_item_type(v) as
    case lower(trim(v)) when '0' then 'Product' when 'product' then 'Product' when '1' then 'Discount' when 'discount' then 'Discount' when '2' then 'Fee' when 'fee' then 'Fee' when '3' then 'Shipping' when 'shipping' then 'Shipping' else v end;
create or replace temp macro qliro_juridical_type(v) as
    case lower(trim(v)) when '0' then 'Physical' when 'physical' then 'Physical' when '1' then 'Company' when 'company' then 'Company' else v end;
create or replace temp macro qliro_line_type(v) as
    case lower(trim(v)) when '0' then 'Transaction' when 'transaction' then 'Transaction' when '1' then 'Fee' when 'fee' then 'Fee' when '2' then 'Chargeback' when 'chargeback' then 'Chargeback' else v end;
create or replace temp macro qliro_line_action(v) as
    case lower(trim(v)) when '0' then 'Debit' when 'debit' then 'Debit' when '1' then 'Credit' when 'credit' then 'Credit' else v end;

-- A moment in UTC. Qliro states no zone: its clock is taken to be Sweden's. One that states its zone is taken at
-- its word. .NET's beginning of time stands for nothing.
create or replace temp macro qliro_time(t) as (
    case
        when t is null or substr(t, 1, 2) not in ('19', '20') then null
        when regexp_matches(t, '(Z|[+-][0-9]{2}:?[0-9]{2})$') then try_cast(regexp_replace(t, '([.][0-9]{6})[0-9]+', '\1') as timestamptz) at time zone 'UTC'
        else (try_cast(regexp_replace(replace(t, '/', '-'), '([.][0-9]{6})[0-9]+', '\1') as timestamp) at time zone 'Europe/Stockholm') at time zone 'UTC'
    end);

-- A day, as the midnight that is the same date for every company in Europe.
create or replace temp macro qliro_day(t) as (
    case
        when regexp_matches(t, '(Z|[+-][0-9]{2}:?[0-9]{2})$') then qliro_time(t)
        when substr(t, 1, 2) in ('19', '20') then try_cast(substr(replace(t, '/', '-'), 1, 10) as date)::timestamp
    end);

-- The VAT rates that have been charged in a country since 2020, in basis points.
-- Source: European Commission, Taxes in Europe Database; Skatteetaten (NO).
create or replace temp macro qliro_rates(country) as
    case country
        when 'SE' then [2500, 1200, 600, 0] when 'NO' then [2500, 1500, 1200, 1111, 600, 0] when 'DK' then [2500, 0]
        when 'FI' then [2550, 2400, 1400, 1350, 1000, 0] when 'DE' then [1900, 1600, 700, 500, 0] when 'AT' then [2000, 1300, 1000, 500, 0]
        when 'NL' then [2100, 900, 0] when 'BE' then [2100, 1200, 600, 0] when 'FR' then [2000, 1000, 550, 210, 0]
        when 'EE' then [2400, 2200, 2000, 1300, 900, 500, 0] when 'LV' then [2100, 1200, 500, 0] when 'LT' then [2100, 1200, 900, 500, 0]
        when 'PL' then [2300, 800, 500, 0] when 'ES' then [2100, 1000, 500, 400, 0] when 'IT' then [2200, 1000, 500, 400, 0]
        when 'PT' then [2300, 1300, 600, 0] when 'IE' then [2300, 2100, 1350, 900, 480, 0] when 'LU' then [1700, 1600, 1400, 1300, 800, 700, 300, 0]
        when 'CZ' then [2100, 1500, 1200, 1000, 0] when 'SK' then [2300, 2000, 1900, 1000, 500, 0] when 'HU' then [2700, 1800, 500, 0]
        when 'SI' then [2200, 950, 500, 0] when 'HR' then [2500, 1300, 500, 0] when 'GR' then [2400, 1300, 600, 0]
        when 'CY' then [1900, 900, 500, 300, 0] when 'MT' then [1800, 1200, 700, 500, 0] when 'BG' then [2000, 900, 0]
        when 'RO' then [2100, 1900, 1100, 900, 500, 0]
        else [0]
    end;

-- The rate between two prices, each rounded to the öre: of the country's rates that the rounding allows the
-- nearest; else a whole per cent, where the country's rates are not known; else what the prices say.
create or replace temp macro qliro_rate(inc, ex, country) as
    coalesce(
        list_min(list_transform(
            list_filter(qliro_rates(country), r -> 2 * abs(abs(inc) * 10000 - abs(ex) * (10000 + r)) <= 20000 + r),
            r -> {'off': abs(abs(inc) * 10000 - abs(ex) * (10000 + r)), 'rate': r})).rate,
        case when ex <> 0 and len(qliro_rates(country)) = 1
            and 2 * abs(abs(inc) * 10000 - abs(ex) * (10000 + 100 * div_half_away(abs(inc - ex)::hugeint * 100, abs(ex)))) <= 20000 + 100 * div_half_away(abs(inc - ex)::hugeint * 100, abs(ex))
            then 100 * div_half_away(abs(inc - ex)::hugeint * 100, abs(ex)) end,
        case when ex <> 0 then div_half_away((abs(inc) - abs(ex))::hugeint * 10000, abs(ex)) end)::integer;

-- Orders, one row per answer. The answer is read once, into text: numbers may come as text, text as numbers.
create or replace temp macro qliro_orders() as table
    select
        blob_id,
        nullif(o.OrderId, '') as order_id,
        upper(nullif(trim(o.Currency), '')) as currency,
        -- Where the goods went: there VAT is due (Directive 2006/112/EC, article 33).
        upper(coalesce(nullif(trim(o.ShippingAddress.CountryCode), ''), nullif(trim(o.Country), ''))) as country,
        case when qliro_juridical_type(o.Customer.JuridicalType) = 'Company' then 'business' else 'consumer' end as customer,
        nullif(trim(o.MerchantReference), '') as order_number,
        o.PaymentTransactions as transactions,
        o.OrderItemActions as actions
    from (
        select blob_id, from_json(body, '{"OrderId": "VARCHAR", "MerchantReference": "VARCHAR", "Currency": "VARCHAR", "Country": "VARCHAR",
            "Customer": {"JuridicalType": "VARCHAR"}, "ShippingAddress": {"CountryCode": "VARCHAR"},
            "PaymentTransactions": [{"PaymentTransactionId": "VARCHAR", "OriginalPaymentTransactionId": "VARCHAR", "Type": "VARCHAR", "Status": "VARCHAR", "Currency": "VARCHAR",
                "Amount": "VARCHAR", "Timestamp": "VARCHAR", "PaymentMethodName": "VARCHAR", "ProviderTransactionId": "VARCHAR"}],
            "OrderItemActions": [{"MerchantReference": "VARCHAR", "Description": "VARCHAR", "Quantity": "VARCHAR", "PricePerItemIncVat": "VARCHAR", "PricePerItemExVat": "VARCHAR",
                "ActionType": "VARCHAR", "Type": "VARCHAR", "PaymentTransactionId": "VARCHAR"}]}') as o
        from raw
    );

-- The item actions of orders. sign: shipped is owed, returned is given back.
create or replace temp macro qliro_actions() as table
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
        from (select blob_id, order_id, currency, country, generate_subscripts(actions, 1) - 1 as position, unnest(actions) as a from qliro_orders())
    );

-- What has happened to an order: a row per order, delivery and refund. rows says which actions are its lines, times
-- their own sign: Ship and Return ('moved'), or what was reserved ('reserved').
--
-- Capture is a delivery; Refund and Credit are refunds; a Reversal is one when it takes back what was
-- captured, else a cancellation, without money. UpdateInvoice adds items to an invoice: those of a negative sum
-- are a refund (Qliro's own Magento module refunds that way). Debit, money taken at the purchase, and whatever
-- else items were shipped on, delivers these items and no more.
create or replace temp macro qliro_events() as table
    with
    orders as materialized (select * from qliro_orders()),
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
        from qliro_actions()
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
    inner join stated as s on s.blob_id = v.blob_id;
