package sql_test

import (
	"context"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/sql"
)

const (
	e1 = "00000000-0000-0000-0000-000000000001"
	e2 = "00000000-0000-0000-0000-000000000002"
	e3 = "00000000-0000-0000-0000-000000000003"
)

// books are the worked example of the posting rules: an order of 1 250.00 delivered, its
// payout line of 1 250.00 with a fee of 35.00 and VAT of 8.75 on it, and 1 206.25 paid.
const books = `
insert into blobs (blob_id, key) values (1, 'order/1'), (2, 'payout_lines/P1');
insert into documents (document_id, source, kind, order_id, currency, amount_minor) values
	('klarna/order/1', 'klarna', 'order', '1', 'SEK', 125000),
	('klarna/delivery/c1', 'klarna', 'delivery', '1', 'SEK', 125000);
insert into document_states (document_id, state) values ('klarna/order/1', 'known'), ('klarna/delivery/c1', 'booked');
insert into payouts (source, payout_id, document_id, currency, amount_minor, booked_run, fee_rows, has_header) values ('klarna', 'P1', 'klarna/payout/P1', 'SEK', 120625, 1, 'deducted', true);
insert into payout_lines (line_id, source, payout_id, provider_type, currency, gross_minor, fee_minor, fee_vat_minor, net_minor) values
	('` + e2 + `', 'klarna', 'P1', 'SALE', 'SEK', 125000, 3500, 875, 120625);
insert into line_words values ('klarna', 'SALE', null, 'sale', 1, null);
insert into line_matches (line_id, source, payout_id, document_id, rung, state, amount_minor) values ('` + e2 + `', 'klarna', 'P1', 'klarna/delivery/c1', 'event_id', 'matched', 125000);
insert into entry_rows (entry_id, book_date, kind, source, document_id, book, run_no) values
	('` + e1 + `', '2026-03-02', 'delivery', 'klarna', 'klarna/delivery/c1', 'klarna/delivery', 1),
	('` + e2 + `', '2026-03-06', 'payout_line', 'klarna', 'klarna/payout/P1', 'klarna/payout/P1', 1),
	(name_of('klarna/payout/P1#paid'), '2026-03-06', 'payout', 'klarna', 'klarna/payout/P1', 'klarna/payout/P1', 1);
insert into posting_rows (entry_id, line, book_date, account, role, amount_minor, currency, amount_currency_minor, source, document_id, book, blob_id, run_no) values
	('` + e1 + `', 1, '2026-03-02', 1510, 'receivable', 125000, 'SEK', 125000, 'klarna', 'klarna/delivery/c1', 'klarna/delivery', 1, 1),
	('` + e1 + `', 2, '2026-03-02', 3001, 'sales', -100000, 'SEK', -100000, 'klarna', 'klarna/delivery/c1', 'klarna/delivery', 1, 1),
	('` + e1 + `', 3, '2026-03-02', 2611, 'vat', -25000, 'SEK', -25000, 'klarna', 'klarna/delivery/c1', 'klarna/delivery', 1, 1),
	('` + e2 + `', 1, '2026-03-06', 1585, 'clearing', 120625, 'SEK', 120625, 'klarna', 'klarna/payout/P1', 'klarna/payout/P1', 2, 1),
	('` + e2 + `', 2, '2026-03-06', 6064, 'fee', 3500, 'SEK', 3500, 'klarna', 'klarna/payout/P1', 'klarna/payout/P1', 2, 1),
	('` + e2 + `', 3, '2026-03-06', 2641, 'fee_vat', 875, 'SEK', 875, 'klarna', 'klarna/payout/P1', 'klarna/payout/P1', 2, 1),
	('` + e2 + `', 6, '2026-03-06', 1510, 'receivable', -125000, 'SEK', -125000, 'klarna', 'klarna/delivery/c1', 'klarna/payout/P1', 2, 1),
	(name_of('klarna/payout/P1#paid'), 1, '2026-03-06', 1930, 'bank', 120625, 'SEK', 120625, 'klarna', 'klarna/payout/P1', 'klarna/payout/P1', 2, 1),
	(name_of('klarna/payout/P1#paid'), 2, '2026-03-06', 1585, 'clearing', -120625, 'SEK', -120625, 'klarna', 'klarna/payout/P1', 'klarna/payout/P1', 2, 1);
`

// bookedLine is one more line of the payout, of 100.00 with a fee of 2.00, booked as lines are.
const bookedLine = `
insert into line_classes (class_no, source, payout_document, kind, currency, book_date, counter_role, counter_account, clearing, fee_account, fee_vat_account, run_no)
	values (1, 'klarna', 'klarna/payout/P1', 'sale', 'SEK', '2026-03-06', 'suspense', 2999, 1585, 6064, 2641, 1);
insert into booked_lines (line_id, class_no, net, fee, fee_vat, counter, rounding, run_no) values ('` + e3 + `', 1, 9800, 200, 0, -10000, 0, 1);
`

// sealed closes the run: what the books are now, the digests say.
const sealed = `
insert into book_digests select book, book_date, sha256(string_agg(line, chr(10) order by line)) from book_lines group by book, book_date;
insert into runs (run_no, run_id, journal_hash) select 1, 'run 1', hash from journal_hashes where run_no = 1;
`

func TestChecks(t *testing.T) {
	db := open(t, sql.Schema(), sql.Views(), sql.Kept(), books)
	exec := func(query string) {
		if query == "" {
			return
		}
		if err := db.Exec(context.Background(), query); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name, check string
		before      string   // done before the run is closed
		after       string   // done behind the books' back
		want        []string // key: what is wrong
	}{
		{name: "a balanced ledger", check: "entries_balance"},
		{
			name: "a posting off by an öre", check: "entries_balance",
			after: "update posting_rows set amount_minor = 125001 where entry_id = '" + e1 + "' and line = 1",
			want:  []string{e1 + ": off by 1 minor units"},
		},
		{
			name: "kronor balance and euro do not", check: "entries_balance",
			after: "update posting_rows set currency = 'EUR', amount_currency_minor = amount_currency_minor - 1 where entry_id = '" + e1 + "'",
			want:  []string{e1 + ": off by 0 minor units"},
		},
		{
			name: "an entry in two currencies balances in the company's alone", check: "entries_balance",
			after: "update posting_rows set currency = 'EUR', amount_currency_minor = 10800 where entry_id = '" + e1 + "' and line = 1",
		},

		{name: "entries and postings belong together", check: "entries_have_postings"},
		{
			name: "an entry without postings", check: "entries_have_postings",
			after: "delete from posting_rows where entry_id = '" + e1 + "'",
			want:  []string{e1 + ": an entry without postings"},
		},
		{
			name: "postings without an entry", check: "entries_have_postings",
			after: "delete from entry_rows where entry_id = '" + e1 + "'",
			want:  []string{e1 + ": postings without their entry"},
		},
		{
			name: "an entry that is there twice", check: "entries_have_postings",
			after: "insert into entry_rows select * from entry_rows where entry_id = '" + e1 + "'",
			want:  []string{e1 + ": the same entry 2 times"},
		},
		{
			name: "a posting on another day than its entry", check: "entries_have_postings",
			after: "update posting_rows set book_date = '2026-04-01' where entry_id = '" + e1 + "' and line = 2",
			want:  []string{e1 + ": its postings are on another date"},
		},

		{name: "every account is an account", check: "postings_have_accounts"},
		{
			name: "a posting without an account", check: "postings_have_accounts",
			after: "update posting_rows set account = null where entry_id = '" + e1 + "' and line = 2",
			want:  []string{e1 + ": line 2 on account (none)"},
		},
		{
			name: "an account of three digits", check: "postings_have_accounts",
			after: "update posting_rows set account = 151 where entry_id = '" + e1 + "' and line = 1",
			want:  []string{e1 + ": line 1 on account 151"},
		},
		{
			name: "a posting from bytes that nobody has", check: "postings_have_accounts",
			after: "update posting_rows set blob_id = 99 where entry_id = '" + e1 + "' and line = 1",
			want:  []string{e1 + ": line 1 on account 1510"},
		},
		{
			name: "a posting without a currency", check: "postings_have_accounts",
			after: "update posting_rows set currency = null where entry_id = '" + e1 + "' and line = 1",
			want:  []string{e1 + ": line 1 on account 1510"},
		},

		{name: "nothing is kept of no lines", check: "console_sums_are_true"},
		{
			name: "a line that is in no sum", check: "console_sums_are_true",
			before: "insert into set_company (currency, time_zone) values ('SEK', 'Europe/Stockholm'); update payouts set status = 'booked'",
			want:   []string{"klarna P1, lines sale matched: the lines say 1 of 1250.00, their sum 0"},
		},
		{
			name: "a sum that is an öre off", check: "console_sums_are_true",
			before: "insert into set_company (currency, time_zone) values ('SEK', 'Europe/Stockholm'); update payouts set status = 'booked'; insert into verdict_sums values ('klarna', 'P1', 'sale', 'matched', 1, 1250.00, 35.00, 8.75, 1206.26)",
			want:   []string{"klarna P1, lines sale matched: the lines say 1 of 1250.00, their sum 1 of 1250.00"},
		},
		{
			name: "an exception that is gone", check: "console_sums_are_true",
			before: "insert into exception_sums values ('klarna', 'P1', 'klarna/payout/P1', 'unmatched_line', 'SEK', '2026-03-06', 1, 12.00)",
			want:   []string{"klarna P1, exceptions unmatched_line: the lines say 0, their sum 1 of 12.00"},
		},

		{name: "documents are there once", check: "documents_are_unique"},
		{
			name: "a delivery that is there twice", check: "documents_are_unique",
			after: "insert into documents select * from documents where kind = 'delivery'",
			want:  []string{"klarna/delivery/c1: the same document 2 times"},
		},

		{name: "payout lines are there once", check: "lines_are_unique"},
		{
			name: "a payout line that is there twice", check: "lines_are_unique",
			after: "insert into payout_lines select * from payout_lines",
			want:  []string{e2 + ": the same payout line 2 times"},
		},

		{name: "a payout with every line booked", check: "payouts_are_booked_whole"},
		{
			name: "a line without an entry", check: "payouts_are_booked_whole",
			after: "delete from entry_rows where entry_id = '" + e2 + "'",
			want:  []string{"klarna/payout/P1: 1 lines to book, 0 booked"},
		},
		{
			name: "a held payout with an entry", check: "payouts_are_booked_whole",
			after: "update payouts set booked_run = null",
			want:  []string{"klarna/payout/P1: 0 lines to book, 1 booked"},
		},
		{
			name: "a line that moves nothing needs no entry", check: "payouts_are_booked_whole",
			before: "insert into payout_lines (line_id, source, payout_id, provider_type, gross_minor, fee_minor, fee_vat_minor, net_minor) values ('" + e3 + "', 'klarna', 'P1', 'SALE', 0, 0, 0, 0)",
		},
		{
			name: "a carried balance needs no entry", check: "payouts_are_booked_whole",
			before: `insert into line_words values ('klarna', 'Balancetransfer', null, 'carried', 1, null);
				insert into payout_lines (line_id, source, payout_id, provider_type, gross_minor, fee_minor, fee_vat_minor, net_minor) values ('` + e3 + `', 'klarna', 'P1', 'Balancetransfer', 100, 0, 0, 100)`,
		},
		{
			name: "fees that are invoiced apart need no entry", check: "payouts_are_booked_whole",
			before: `update payouts set fee_rows = 'invoiced';
				insert into line_words values ('klarna', 'FEE', null, 'fee', 1, null);
				insert into payout_lines (line_id, source, payout_id, provider_type, gross_minor, fee_minor, fee_vat_minor, net_minor) values ('` + e3 + `', 'klarna', 'P1', 'FEE', 0, 100, 25, -125)`,
		},
		{
			name: "a fee row that is deducted needs one", check: "payouts_are_booked_whole",
			after: `insert into line_words values ('klarna', 'FEE', null, 'fee', 1, null);
				insert into payout_lines (line_id, source, payout_id, provider_type, gross_minor, fee_minor, fee_vat_minor, net_minor) values ('` + e3 + `', 'klarna', 'P1', 'FEE', 0, 100, 25, -125)`,
			want: []string{"klarna/payout/P1: 2 lines to book, 1 booked"},
		},
		{
			name: "a correction of a line is no second line", check: "payouts_are_booked_whole",
			before: "insert into entry_rows (entry_id, book_date, kind, source, document_id, corrects, run_no) values ('" + e3 + "', '2026-03-07', 'correction', 'klarna', 'klarna/payout/P1', '" + e2 + "', 1)",
		},

		{name: "receivable is what is open", check: "receivable_is_open_items"},
		{
			name: "a delivery that nobody paid is open", check: "receivable_is_open_items",
			after: "delete from posting_rows where run_no = 1 and entry_id = '" + e2 + "'; delete from line_matches",
		},
		{
			name: "a line settles more than the ledger says", check: "receivable_is_open_items",
			after: "update line_matches set amount_minor = 125100",
			want:  []string{"klarna/delivery/c1: the ledger says 0, its document and lines -100"},
		},
		{
			name: "a booked delivery without its receivable", check: "receivable_is_open_items",
			after: "delete from posting_rows where entry_id = '" + e1 + "'",
			want:  []string{"klarna/delivery/c1: the ledger says -125000, its document and lines 0"},
		},
		{
			name: "a receivable of a document that nobody knows", check: "receivable_is_open_items",
			after: "update posting_rows set document_id = 'klarna/delivery/c9' where role = 'receivable' and entry_id = '" + e2 + "'",
			want: []string{
				"klarna/delivery/c1: the ledger says 125000, its document and lines 0",
				"klarna/delivery/c9: the ledger says -125000, its document and lines 0",
			},
		},
		{
			name: "an order paid before its delivery is open the other way", check: "receivable_is_open_items",
			before: `insert into payout_lines (line_id, source, payout_id, provider_type, gross_minor) values ('` + e3 + `', 'klarna', 'P1', 'SALE', 5000);
				insert into line_matches (line_id, document_id, state, amount_minor) values ('` + e3 + `', 'klarna/order/1', 'not_delivered', 5000);
				insert into posting_rows (entry_id, line, role, amount_minor, currency, amount_currency_minor, document_id, run_no) values ('` + e3 + `', 6, 'receivable', -5000, 'SEK', -5000, 'klarna/order/1', 1)`,
		},
		{
			name: "a refund that came back raises it again", check: "receivable_is_open_items",
			before: `insert into documents (document_id, source, kind, amount_minor) values ('klarna/refund/r1', 'klarna', 'refund', 250);
				insert into document_states (document_id, state) values ('klarna/refund/r1', 'booked');
				insert into payout_lines (line_id, source, payout_id, provider_type, gross_minor) values ('` + e3 + `', 'klarna', 'P1', 'RETURN', -250);
				insert into line_matches (line_id, document_id, state, amount_minor) values ('` + e3 + `', 'klarna/refund/r1', 'matched', 250);
				insert into posting_rows (entry_id, line, role, amount_minor, currency, amount_currency_minor, document_id, run_no) values
					('` + e3 + `', 1, 'receivable', -250, 'SEK', -250, 'klarna/refund/r1', 1), ('` + e3 + `', 6, 'receivable', 250, 'SEK', 250, 'klarna/refund/r1', 1)`,
		},
		{
			name: "sales that are booked elsewhere stand under their payout", check: "receivable_is_open_items",
			before: "insert into posting_rows (entry_id, line, role, amount_minor, currency, amount_currency_minor, document_id, run_no) values ('" + e3 + "', 6, 'receivable', -700, 'SEK', -700, 'klarna/payout/P1', 1)",
		},

		{name: "the digests are those of the postings", check: "digests_are_true"},
		{
			name: "an amount that was changed", check: "digests_are_true",
			after: "update posting_rows set amount_minor = amount_minor + 1 where entry_id = '" + e1 + "' and line = 1",
			want:  []string{"klarna/delivery 2026-03-02: its postings are not what they were when it was booked"},
		},
		{
			name: "a page that is gone", check: "digests_are_true",
			after: "delete from posting_rows where book = 'klarna/delivery'",
			want:  []string{"klarna/delivery 2026-03-02: its postings are not what they were when it was booked"},
		},
		{
			name: "a page that nobody closed", check: "digests_are_true",
			after: "delete from book_digests where book = 'klarna/delivery'",
			want:  []string{"klarna/delivery 2026-03-02: its postings are not what they were when it was booked"},
		},
		{
			name: "a page whose corrections leave nothing has the digest of nothing", check: "digests_are_true",
			before: "insert into posting_rows select '" + e3 + "'::uuid, * exclude (entry_id) replace (-amount_minor as amount_minor, -amount_currency_minor as amount_currency_minor) from posting_rows where book = 'klarna/delivery'",
		},

		{name: "nobody touched the rows", check: "rows_are_unchanged"},
		{
			name: "a text that was changed", check: "rows_are_unchanged",
			after: "update entry_rows set text = 'something else' where entry_id = '" + e1 + "'",
			want:  []string{"run 1: its entries or postings were altered, added to or removed"},
		},
		{
			name: "two postings that changed places in amount", check: "rows_are_unchanged",
			after: "update posting_rows set amount_minor = case line when 2 then -25000 else -100000 end where entry_id = '" + e1 + "' and line in (2, 3)",
			want:  []string{"run 1: its entries or postings were altered, added to or removed"},
		},
		{
			name: "an entry that was added to an old run", check: "rows_are_unchanged",
			after: "insert into entry_rows select * from entry_rows where entry_id = '" + e1 + "'",
			want:  []string{"run 1: its entries or postings were altered, added to or removed"},
		},
		{
			name: "all of a run that is gone", check: "rows_are_unchanged",
			after: "delete from entry_rows; delete from posting_rows",
			want:  []string{"run 1: its entries or postings were altered, added to or removed"},
		},
		{
			name: "a line that is booked in one row", check: "entries_balance", before: bookedLine,
		},
		{
			name: "a column of a booked line off by an öre", check: "entries_balance", before: bookedLine,
			after: "update booked_lines set fee = fee + 1",
			want:  []string{e3 + ": off by 1 minor units"},
		},
		{
			name: "a booked line of a later page", check: "digests_are_true", before: bookedLine,
			after: "update booked_lines set net = net + 1, counter = counter - 1",
			want:  []string{"klarna/payout/P1 2026-03-06: its postings are not what they were when it was booked"},
		},
		{
			name: "a booked line that was changed", check: "rows_are_unchanged", before: bookedLine,
			after: "update booked_lines set net = net + 1, counter = counter - 1",
			want:  []string{"run 1: its entries or postings were altered, added to or removed"},
		},
		{
			name: "the account of a class of lines that was changed", check: "rows_are_unchanged", before: bookedLine,
			after: "update line_classes set counter_account = 1930",
			want:  []string{"run 1: its entries or postings were altered, added to or removed"},
		},
		{
			name: "a booked line that its class does not know of", check: "class_sums_are_true", before: bookedLine,
			want: []string{"class 1, account 1585: the lines say 9800, their sum 0", "class 1, account 2999: the lines say -10000, their sum 0", "class 1, account 6064: the lines say 200, their sum 0"},
		},
		{
			name: "a run that added nothing", check: "rows_are_unchanged",
			after: "insert into runs (run_no, run_id, journal_hash) values (2, 'run 2', '0')",
		},
	} {
		t.Run(tt.check+"/"+tt.name, func(t *testing.T) {
			exec("begin transaction")
			defer exec("rollback")
			exec(tt.before)
			exec(sealed)
			exec(tt.after)
			var query string
			for _, c := range sql.Checks() {
				if c.Name == tt.check {
					query = strings.TrimRight(strings.TrimSpace(c.Query), ";")
				}
			}
			if query == "" {
				t.Fatalf("there is no check %s", tt.check)
			}
			got, err := db.Texts(context.Background(), "select key || ': ' || wrong from (\n"+query+"\n) order by key")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("what is wrong (-want +got):\n%s", diff)
			}
		})
	}
}

// A check says in its first line what must hold, finds nothing in empty books and nothing
// in the worked example.
func TestChecksFindNothingInOrder(t *testing.T) {
	db := open(t, sql.Schema(), sql.Views(), sql.Kept())
	full := open(t, sql.Schema(), sql.Views(), sql.Kept(), books, sealed)
	for _, c := range sql.Checks() {
		if !strings.HasSuffix(c.Says, ".") && len(c.Says) < 20 {
			t.Errorf("%s says %q", c.Name, c.Says)
		}
		query := "select key || ': ' || wrong from (\n" + strings.TrimRight(strings.TrimSpace(c.Query), ";") + "\n)"
		if got, err := db.Texts(context.Background(), query); err != nil || len(got) > 0 {
			t.Errorf("%s of empty books: %v, %v", c.Name, got, err)
		}
		if got, err := full.Texts(context.Background(), query); err != nil || len(got) > 0 {
			t.Errorf("%s of the worked example: %v, %v", c.Name, got, err)
		}
	}
}
