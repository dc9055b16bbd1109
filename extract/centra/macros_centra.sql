-- How Centra writes amounts, rates, times and lists. Source: the types at https://centra.dev/graphql/.

create or replace temp macro centra_time(t) as (try_cast(t as timestamptz) at time zone 'UTC');

-- An amount in major units, a JSON number, as minor units; halves away from zero.
create or replace temp macro centra_minor(t, cur) as
    minor_rounded(t, cur);

-- 25.5 % as 2550.
create or replace temp macro centra_bp(t) as scaled(t, 2)::integer;

-- The elements of a list; none where there is no list.
create or replace temp macro centra_list(j) as coalesce(json_extract(j, '$[*]'), []::json[]);

-- A discount that is money owed to the customer: a voucher with credit, a gift certificate (AppliedVoucherCredit).
create or replace temp macro centra_credit(item_) as regexp_matches(coalesce(item_ ->> '$.__typename', ''), '(?i)credit|gift');

create or replace temp macro centra_failed(item_) as upper(coalesce(item_ ->> '$.status', '')) in ('FAILED', 'FAILURE', 'ERROR', 'DECLINED', 'CANCELLED');

create or replace temp macro centra_kind(item_) as upper(coalesce(item_ ->> '$.entryType', ''));

-- The IDs in a payment provider's own reply, which Centra keeps as text. "raw" may be JSON in JSON.
create or replace temp macro centra_ids_in(t) as
    list_distinct(regexp_extract_all(replace(coalesce(t, ''), '\', ''),
        '"(?:capture_id|captureId|refund_id|refundId|pspReference|transactionId|transaction_id|paymentTransactionId|PaymentTransactionId)"\s*:\s*"?([^",}\s]+)', 1));
create or replace temp macro centra_ids(item_) as centra_ids_in(item_ ->> '$.paramsJSON');

-- What an entry of the payment history is called at the provider.
create or replace temp macro centra_refs(item_) as
    list_filter([nullif(item_ ->> '$.externalReference', ''), nullif(item_ ->> '$.externalId', '')], lambda v: v is not null);

-- A payment, as opposed to money going back, an authorisation given up, or a gift card.
create or replace temp macro centra_is_payment(item_) as
    not regexp_matches(centra_kind(item_), '^(REFUND|CANCEL)|GIFT_CARD$|_FAILED$') and not centra_failed(item_);
