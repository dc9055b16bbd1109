-- How Centra writes amounts, rates, times and lists. Source: the types at https://centra.dev/graphql/.

create or replace temp macro centra_time(t) as (try_cast(t as timestamptz) at time zone 'UTC');

-- An amount in major units, a JSON number, as minor units; halves away from zero.
create or replace temp macro centra_minor(t, cur) as
    minor_rounded(t, cur);

-- Several amounts at once: DuckDB plans what reads an amount anew wherever it is written.
create or replace temp macro centra_minors(ts, cur) as
    list_transform(ts, lambda t: centra_minor(t, cur));

-- 25.5 % as 2550.
create or replace temp macro centra_bp(t) as scaled(t, 2)::integer;

-- The sum of a list of amounts, null of none.
create or replace temp macro centra_sum(amounts) as list_sum(amounts)::bigint;

-- Lines as they are sold: what of, how many, the values with tax and without it, the rate. Types OrderLine, ShipmentLine, ReturnLine.
create or replace temp macro centra_goods(lines, cur) as coalesce(list_transform(lines, lambda l: {
    'reference': coalesce(l.productSize.SKU, l.orderLine.productSize.SKU, l.orderLine.id, l.id),
    'quantity': try_cast(l.quantity as bigint),
    'priced': l.lineValue.value is not null,
    'value': centra_minors([l.lineValue.value, l.lineValueExTax.value], cur),
    'rate_bp': coalesce(centra_bp(l.orderLine.taxPercent), centra_bp(l.taxPercent), 0)}), []);

-- A discount that is money owed to the customer: a voucher with credit, a gift certificate (AppliedVoucherCredit).
create or replace temp macro centra_credit(type_name) as regexp_matches(coalesce(type_name, ''), '(?i)credit|gift');

create or replace temp macro centra_failed(status_) as upper(coalesce(status_, '')) in ('FAILED', 'FAILURE', 'ERROR', 'DECLINED', 'CANCELLED');

create or replace temp macro centra_kind(entry_type) as upper(coalesce(entry_type, ''));

-- The IDs in a payment provider's own reply, which Centra keeps as text. "raw" may be JSON in JSON.
create or replace temp macro centra_ids_in(t) as
    list_distinct(regexp_extract_all(replace(coalesce(t, ''), '\', ''),
        '"(?:capture_id|captureId|refund_id|refundId|pspReference|transactionId|transaction_id|paymentTransactionId|PaymentTransactionId)"\s*:\s*"?([^",}\s]+)', 1));

-- What an entry of the payment history is called at the provider.
create or replace temp macro centra_refs(entry) as
    list_filter([nullif(entry.externalReference, ''), nullif(entry.externalId, '')], lambda v: v is not null);
