-- The tables behind the public views. Everything here is derived: it can be dropped and
-- rebuilt from the archive. There are no primary keys; package pipeline's checks prove
-- uniqueness instead, because an index costs more than the load it would guard. Columns of few
-- values name their compression, so that DuckDB need not try every kind on a million rows.
--
-- Units: *_minor in minor units, debit > 0 in postings, "to us" > 0 in payout lines;
--        rate_bp in basis points; *_at timestamps UTC; *_date the company's own date.

create table meta (name varchar, value varchar);

create table runs (
    run_no integer, run_id varchar, command varchar, started_at timestamp, finished_at timestamp, status varchar,
    records bigint, entries bigint, posted bigint, exceptions bigint, config_digest varchar, ledger_digest varchar,
    postings bigint, journal_hash varchar
);

-- The index of the archive.
create table blobs (
    blob_id bigint, run_no integer, source varchar, stream varchar, key varchar, fetched_at timestamp,
    sha256 varchar, size bigint, media_type varchar, gone boolean,
    place_run varchar, place_offset bigint, place_length bigint,
    first_rowid bigint, -- of the rows of payout_lines that a file filled in one go, else null
    rows_read bigint
);
create index blobs_by_content on blobs (sha256);
create index blobs_by_key on blobs (key);

create table cursors (source varchar, stream varchar, until timestamp);
create table inbox_files (source varchar, path varchar, size bigint, modified bigint, sha256 varchar);

---------- settings of the run

create table set_company (
    name varchar, org_number varchar, country varchar, currency varchar, time_zone varchar,
    tolerance bigint, locked_through date, period varchar, exponent integer,
    rounding smallint, fx_gain smallint, fx_loss smallint, suspense smallint, gift_cards smallint,
    reverse_out smallint, reverse_in smallint
);
create table set_sources (
    source varchar, provider varchar, is_shop boolean, fee_vat varchar, unmatched varchar,
    orders boolean, invoices boolean, refunds boolean, payouts boolean, follow_days integer,
    receivable smallint, clearing smallint, bank smallint, fee smallint, fee_vat_account smallint,
    reserve smallint, dispute smallint, loan smallint
);
create table set_methods (
    source varchar, rank integer, match varchar,
    receivable smallint, clearing smallint, bank smallint, fee smallint, fee_vat_account smallint, reserve smallint, dispute smallint
);
create table set_fees (source varchar, rank integer, method varchar, percent_e4 bigint, fixed_minor bigint, currency varchar, from_date date, to_date date);
create table set_words (source varchar, rank integer, type_glob varchar, detail_glob varchar, kind varchar);
create table set_sales (country varchar, customer varchar, rate_bp integer, sales smallint, vat smallint, oss boolean);
create table set_rates (currency varchar, date date, price_e8 bigint);

---------- facts, as the sources state them

create table documents (
    document_id varchar, source varchar, kind varchar, order_id varchar, doc_ref varchar, order_number varchar, reference varchar,
    event_at timestamp, event_date date, currency varchar, amount_minor bigint, country varchar, customer varchar, method varchar,
    status varchar, is_final boolean, changed_at timestamp, blob_id bigint, locator varchar, run_no integer
);
create table document_lines (
    document_id varchar, line_no integer, line_type varchar, reference varchar, quantity bigint,
    gross_minor bigint, vat_minor bigint, rate_bp integer
);
create table document_keys (document_id varchar, key_type varchar, value varchar, normal varchar);

-- What a document is booked by: its lines gathered by class, country and rate, or the split of an amount without lines.
create table document_groups (
    document_id varchar, class varchar, country varchar, rate_bp integer, gross_minor bigint, vat_minor bigint, how varchar
);
create table document_states (
    document_id varchar, state varchar, -- booked | held | not_ours | known | adopted
    same_as varchar, -- the document of another source that an adopted one is
    receivable smallint, company_minor bigint, -- the account its receivable is on, and the amount in company currency
    why_kind varchar, why varchar, why_minor bigint, evidence varchar, suggestion varchar
);

create table payouts (
    source varchar, payout_id varchar, document_id varchar, bank_reference varchar, paid_at timestamp, paid_date date,
    currency varchar, amount_minor bigint,
    rows_expected_minor bigint, -- what the rows' net amounts must add up to, by the provider's own totals
    formula_off_minor bigint,   -- by how much the provider's own totals do not add up
    opening_minor bigint, closing_minor bigint, -- what the provider carried in and out, debt < 0
    fee_rows varchar,           -- deducted | invoiced: whether fee rows lower this payout
    has_header boolean, stated varchar, blob_id bigint, locator varchar, run_no integer,
    status varchar, why_kind varchar, why varchar, difference_minor bigint, evidence varchar,
    lines bigint, sales_minor bigint, refunds_minor bigint, fees_minor bigint, fee_vat_minor bigint, other_minor bigint,
    booked_run integer, booked_at timestamp,
    carried_minor bigint, -- of its rows, what stays with the provider: < 0 left on clearing
    line_exceptions bigint, -- of its lines, how many need a person
    matched bigint, unmatched bigint, -- of its sale and refund lines, those that found their document and those on suspense
    price_e8 bigint, -- of its currency on its date, times 10^8; null in the company's own currency
    -- What is paid if the provider's total means something else, where it does not say which: the rows decide.
    -- The two texts name the meanings, for stated.
    other_amount_minor bigint, reading varchar, other_reading varchar, reading_held varchar -- first | other
);
-- What the sale and refund lines of a booked payout settled: documents of a source (null: booked elsewhere and not
-- looked for), or nothing that is known, which is on suspense. The proof reads these few rows and not the lines.
create table payout_settles (
    source varchar, payout_id varchar, document_source varchar, fate varchar, -- receivable | suspense
    currency varchar, gross_minor bigint, rounding_minor bigint, lines bigint
);
-- What the console's lists and sums are read from, so that a page costs the same on a thousand lines and on a
-- million: per payout, of all its lines as recon.payout_lines has them (major units), and of its open exceptions.
-- Kept like the counts above, for the payouts a run touched.
create table verdict_sums (
    source varchar, payout_id varchar, kind varchar, verdict varchar, lines bigint,
    gross decimal(18, 2), fee decimal(18, 2), fee_vat decimal(18, 2), net decimal(18, 2)
);
create table sale_days (source varchar, payout_id varchar, days integer, lines bigint); -- from sale to payout
create table exception_sums (
    source varchar, payout_id varchar, document_id varchar, kind varchar, currency varchar, opened_at timestamp, n bigint, amount decimal(38, 2)
);

create table payout_parts (source varchar, payout_id varchar, part varchar, lines_total bigint, lines_here bigint, blob_id bigint);
create table payout_flags (source varchar, payout_id varchar, kind varchar, reason varchar, amount_minor bigint, evidence varchar, blob_id bigint);

create table payout_lines (
    line_id uuid, source varchar using compression dictionary, payout_id varchar using compression dictionary, part varchar using compression dictionary, provider_type varchar using compression dictionary, provider_detail varchar using compression dictionary,
    method varchar using compression dictionary, event_at timestamp, order_reference varchar, order_key varchar, event_key varchar, other_references varchar using compression dictionary,
    currency varchar using compression dictionary, gross_minor bigint, fee_minor bigint, fee_vat_minor bigint, net_minor bigint,
    row_off_minor bigint, -- by how much the row's own columns disagree; null: nothing to compare
    sold_currency varchar using compression dictionary, sold_minor bigint, -- the gross before the provider converted it; null: it did not
    country varchar using compression dictionary, text varchar using compression dictionary, locator varchar using compression dictionary, blob_id bigint, row_no bigint, run_no integer,
    -- tag_of its references, the order's in its normal form: a number is looked for in a million rows forty times faster than a text
    order_reference_tag uinteger, order_key_tag uinteger, event_key_tag uinteger
);
-- What a provider's own account of us says, where it has one: what it held each time it was asked, and what moved on it.
-- Nothing is booked from either.
create table provider_balances (
    source varchar, account_id varchar, currency varchar, asked_at timestamp, available_minor bigint, pending_minor bigint,
    blob_id bigint, locator varchar, run_no integer
);
create table provider_movements (
    source varchar, movement_id varchar, account_id varchar, provider_type varchar, event_at timestamp, currency varchar,
    initial_minor bigint, deducted_minor bigint, result_minor bigint,              -- > 0 is to us; initial + deducted = result
    commission_minor bigint, repayment_minor bigint, reserve_minor bigint,         -- of what is deducted, what is no fee
    order_key varchar, event_key varchar, payout_id varchar, locator varchar, blob_id bigint, run_no integer
);
create table line_words (source varchar, provider_type varchar, provider_detail varchar, kind varchar, from_run integer, to_run integer);
create table line_matches (
    line_id uuid, source varchar, payout_id varchar, document_id varchar, rung varchar, state varchar, -- matched | held_document | not_delivered
    amount_minor bigint,   -- of the document, > 0
    before_minor bigint,   -- of the document, settled by earlier matches
    rounding_minor bigint, -- line minus document, where they differ by less than the tolerance
    evidence varchar, run_no integer
);
create table line_issues (line_id uuid, source varchar, payout_id varchar, kind varchar, reason varchar, evidence varchar, suggestion varchar);

---------- the ledger: rows are added, never changed

-- What documents, payouts as such and corrections are booked by.
create table entry_rows (
    entry_id uuid, book_date date, event_date date, kind varchar using compression dictionary, source varchar using compression dictionary, document_id varchar using compression dictionary,
    text varchar using compression dictionary, corrects uuid, book varchar using compression dictionary, run_no integer
);
create table posting_rows (
    entry_id uuid, line utinyint, book_date date, account smallint, role varchar using compression dictionary,
    amount_minor bigint, currency varchar using compression dictionary, amount_currency_minor bigint,
    source varchar using compression dictionary, document_id varchar, country varchar using compression dictionary, rate_bp integer,
    book varchar using compression dictionary, rule varchar using compression dictionary, blob_id bigint, row_no bigint, locator varchar using compression dictionary, run_no integer
);

-- What payout lines are booked by, when they are booked first: nearly every row of a ledger. They come by the
-- million and differ in their amounts only, so what many have in common is said once, in their class, and the
-- postings of a line are columns of one row. Amounts in company currency are null where they are the same.
create table line_classes ( -- counter_currency: of the counter account, where the provider converted what it settles
    class_no integer, source varchar, payout_document varchar, kind varchar, currency varchar, event_date date, book_date date,
    text varchar, rule varchar, counter_role varchar, counter_account smallint, counter_currency varchar, clearing smallint, fee_account smallint, fee_vat_account smallint,
    reverse_in smallint, reverse_out smallint, rounding_account smallint, fx_gain smallint, fx_loss smallint, blob_id bigint, run_no integer
);
create table booked_lines (
    line_id uuid, class_no integer, net bigint, fee bigint, fee_vat bigint, counter bigint, rounding bigint,
    net_home bigint, fee_home bigint, fee_vat_home bigint, counter_home bigint, rounding_home bigint, reverse_home bigint, fx_home bigint,
    settles varchar, -- the document whose receivable the counter account clears; null: none
    row_no bigint, locator varchar using compression dictionary, run_no integer
);

-- The sums of booked_lines, per class, role and account.
create table class_sums (class_no integer, role varchar, account smallint, amount_minor bigint, amount_currency_minor bigint, postings bigint, run_no integer);

-- What lines of one source settled of another's documents: a shop's sales, paid out by a provider.
create view settled_for_others as
select b.class_no, split_part(b.settles, '/', 1) as source_of, coalesce(any_value(c.counter_currency), any_value(c.currency)) as currency, sum(b.counter)::bigint as minor
from booked_lines as b
inner join line_classes as c using (class_no)
where not starts_with(b.settles, c.source || '/')
group by b.class_no, split_part(b.settles, '/', 1);

create view entries as
select * from entry_rows
union all
select
    b.line_id as entry_id, c.book_date, c.event_date, case c.kind when 'payout' then 'payout' else 'payout_line' end as kind,
    c.source, c.payout_document as document_id, c.text, null::uuid as corrects, c.payout_document as book, b.run_no
from booked_lines as b
inner join line_classes as c using (class_no);

create view postings as
select * from posting_rows
union all
select
    entry_id, line, book_date, account, role, amount_minor, currency, amount_currency_minor, source, document_id,
    null::varchar as country, null::integer as rate_bp, book, rule, blob_id, row_no, locator, run_no
from (
{{line_postings}}
);

create table book_digests (book varchar, book_date date, digest varchar);

create table exceptions (
    exception_id uuid, kind varchar, source varchar, document_id varchar, reason varchar, currency varchar, amount_minor bigint,
    evidence varchar, suggestion varchar, opened_at timestamp, closed_at timestamp, status varchar, run_no integer
);

create table erp_documents (
    erp_document_id varchar, kind varchar, target varchar, voucher_group varchar, book varchar, book_date date, through_run integer,
    document_id varchar, erp_number varchar, reference varchar, currency varchar, amount_minor bigint, entries bigint,
    status varchar, -- planned | failed (refused, and tried again) | sent | posted | reversed
    posted_at timestamp, batch varchar,
    -- Of targets that take one document at a time:
    scheme varchar,      -- how the ledger was divided into documents: "document", "voucher/day"; null for files
    erp_voucher varchar, -- the ERP's voucher: series, number, financial year
    erp_date date,       -- where the ERP booked it on another day
    body varchar,        -- what is sent, until it is answered
    parts varchar,       -- what else was made for it, as JSON
    why varchar,         -- of a failed one
    content varchar      -- of an order: the digest of what it says, or 'off' when it was cancelled
);
-- Which document of the ERP an entry is in. Entries in files are told by through_run instead.
create table erp_entries (entry_id uuid, erp_document_id varchar);
-- What the ERP's voucher of an invoice says beyond the ledger: an öre of VAT that it computed otherwise. The ledger
-- follows by a correction entry (posting_rules §9).
create table erp_roundings (
    document_id varchar, role varchar, account smallint, country varchar, rate_bp integer, amount_minor bigint, erp_document_id varchar
);

---------- the bank's own word

create table bank_statements (
    account varchar, statement_id varchar, currency varchar, from_date date, to_date date,
    opening_minor bigint, closing_minor bigint, balanced boolean, off_minor bigint, key varchar, blob_id bigint, run_no integer
);
create table bank_rows (
    line_id uuid, account varchar, booked_date date, value_date date, currency varchar, amount_minor bigint, reference varchar,
    text varchar, party varchar, -- of other lines than a provider's: only words that may be references, and nobody's name
    provider varchar, locator varchar, blob_id bigint, run_no integer
);
create table bank_matches (line_id uuid, source varchar, payout_id varchar, how varchar, difference_minor bigint);

---------- how complete the books were when a run ended

create table run_scores (
    run_no integer, source varchar, currency varchar, payouts bigint, missing bigint, completeness_bp bigint,
    settled bigint, p50_days bigint, p99_days bigint, cleared_bp bigint, unexplained_minor bigint
);

---------- what people decided

-- A decision answers one exception. It is in force until it is undone or another one takes its place.
create table decisions (
    decision_id varchar, exception_id varchar, kind varchar, source varchar, document_id varchar, line_id uuid,
    action varchar,          -- match account kind accept keep duplicate rate ignore retry
    target varchar,          -- the document matched, or the one this is a duplicate of; of kind: the provider's word
    account smallint, vat_account smallint, line_kind varchar, price_e8 bigint,
    amount_minor bigint,     -- what the exception was about: a sum that moves on is a new exception
    through_blob bigint,     -- what had been read when it was decided
    earlier_blobs varchar, was_booked boolean, -- of a changed payout that was accepted: what its first delivery came in, and whether that was booked
    reason varchar, decided_by varchar, decided_at timestamp, run_no integer,
    undone_by varchar, undone_reason varchar, undone_at timestamp, undone_run integer
);
create view decided as select * from decisions where undone_run is null;

-- What decisions taught: a reference that means an order, a word of a provider's that means a kind.
create table aliases (
    alias_id varchar, decision_id varchar, source varchar,
    what varchar,            -- reference | word
    name varchar, detail varchar, -- the reference as it is compared, or the word and its detail
    to_source varchar, to_order varchar, to_kind varchar,
    learned_by varchar, learned_at timestamp, run_no integer, forgotten_by varchar, forgotten_at timestamp, forgotten_run integer
);

---------- what became of what is about persons

-- Who had someone's data erased, when and why; note has the keyed hashes that keep them erased, and nothing of the person.
create table erasures (
    erasure_id varchar, kind varchar, -- erase | retention
    what varchar, persons bigint, orders bigint, reason varchar, erased_by varchar, erased_at timestamp, note varchar, run_no integer
);
create table holds (
    hold_id varchar, what varchar, source varchar, from_date date, to_date date, reason varchar, held_by varchar, held_at timestamp,
    released_by varchar, released_at timestamp, released_reason varchar, note varchar, run_no integer
);

---------- what the next booking has to look at

create table todo_documents (document_id varchar);
create table todo_payouts (source varchar, payout_id varchar);
create table todo_lines (line_id uuid);                             -- of booked payouts, decided anew
create table todo_reopened (source varchar, payout_id varchar, as_first boolean); -- booked before, and to be proven again; as_first: by its first delivery

-- The canonical lines of the books (see transform/rules/95_digest.sql).
create view book_lines as
select
    book, book_date,
    book_line(book, book_date, source, document_id, role, account, currency, country, rate_bp, sum(amount_minor), sum(amount_currency_minor)) as line
from postings
group by book, book_date, source, document_id, role, account, currency, country, rate_bp
having sum(amount_minor) <> 0 or sum(amount_currency_minor) <> 0;

-- A fingerprint of what each run added to the ledger, whatever the order of the rows. It is DuckDB's own
-- hash, quick and not cryptographic: it finds what was altered; that nothing was forged, the archive proves.
create view journal_hashes as
select run_no, sum(h)::varchar as hash
from (
    select run_no, hash(entry_id, book_date, event_date, kind, source, document_id, text, corrects, book)::hugeint as h from entry_rows
    union all
    select run_no, hash(entry_id, line, book_date, account, role, amount_minor, currency, amount_currency_minor, source, document_id, country, rate_bp, book, rule)::hugeint as h from posting_rows
    union all
    select run_no, hash(class_no, source, payout_document, kind, currency, event_date, book_date, text, rule, counter_role, counter_account, counter_currency, clearing,
        fee_account, fee_vat_account, reverse_in, reverse_out, rounding_account, fx_gain, fx_loss)::hugeint as h from line_classes
    union all
    select run_no, hash(line_id, class_no, net, fee, fee_vat, counter, rounding, net_home, fee_home, fee_vat_home, counter_home, rounding_home,
        reverse_home, fx_home, settles)::hugeint as h from booked_lines
)
group by run_no;

create table set_accounts (account smallint, name varchar);
create schema recon;

-- Lines of payouts, of any source and read in the last week, that seem to settle a sale or a refund and whose
-- references no document answers to: what a shop may be asked about (a Late stage's Follow query). A document that
-- only shares a number, in another currency or too small for the line, is another shop's and answers to nothing.
create macro lines_without_document(now) as table
with unknown as (

    select l.source, l.line_id, l.payout_id, l.order_key, l.event_key, l.order_reference, l.other_references,
        coalesce(l.sold_currency, l.currency) as currency, coalesce(l.sold_minor, l.gross_minor) as gross_minor, l.event_at
    from payout_lines as l
    where l.gross_minor <> 0 and coalesce(l.order_key, l.event_key, l.order_reference) is not null
        and l.run_no > coalesce((select max(run_no) from runs where started_at < now::timestamp - interval 7 days), 0)
        and l.line_id not in (select line_id from line_matches where state = 'matched')

),

names as (

    select line_id, normal_reference(order_key) as normal, null as currency, null as minor from unknown
    union all
    select line_id, normal_reference(event_key), null, null from unknown
    union all
    select line_id, unnest([normal_reference(r), payment_reference(r)]), currency, abs(gross_minor)
    from (select line_id, currency, gross_minor, unnest(string_split(concat_ws('|', order_reference, other_references), '|')) as r from unknown)

),

answered as (

    select distinct n.line_id
    from names as n
    inner join document_keys as k on k.normal = n.normal
    left join documents as d on d.document_id = k.document_id
    where n.minor is null or d.currency is null or d.amount_minor is null or (d.currency = n.currency and d.amount_minor >= n.minor)

)

select * from unknown where line_id not in (select line_id from answered);
