// Package extract is the contract between kvitt and the systems it reads.
//
// A connector lives in a folder of its own, fetches bytes and interprets nothing:
// what they mean is the business of the staging SQL beside it. It joins by one line
// in package all.
package extract

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// A Stream is one kind of thing a source sends: "payouts", "orders".
type Stream string

// A Window is half open: Since <= t < Until, UTC. A zero Since means "from the beginning".
type Window struct {
	Since, Until time.Time
}

// A Request says what to fetch: everything in a window, or single documents by the
// source's own ID. A stream that cannot be listed takes IDs only.
type Request struct {
	Stream Stream
	Window Window   // ignored when IDs are given
	IDs    []string // e.g. checkout IDs of a backfill; nil asks for the window
}

// A Blob is what a source sent, byte for byte: one response body or one report file.
type Blob struct {
	Key  string    // names it within the stream: the same thing fetched again has the same key
	At   time.Time // when it was fetched, UTC
	Type string    // media type, e.g. "application/json", "text/csv"
	Body []byte    // untouched; nil when File is set
	File string    // a report file to be read from disk instead of Body; it is left where it is
	Gone bool      // the source answered that there is no such document; Body holds its answer
}

// Sequence is the media type of a document that took several answers: JSON texts, each as it
// came, between a record separator and a line feed (RFC 7464). Models see it as {"answers": [...]}.
// That the answers arrive as one blob is what keeps half a document from ever being read.
const Sequence = "application/json-seq"

// Join makes a Sequence of answers.
func Join(answers [][]byte) []byte {
	var b bytes.Buffer
	for _, a := range answers {
		b.WriteByte(0x1e) // never in JSON: RFC 8259 has it escaped within strings
		b.Write(a)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// Texts returns the answers of a Sequence.
func Texts(seq []byte) [][]byte {
	var out [][]byte
	for _, t := range bytes.Split(seq, []byte{0x1e})[1:] {
		out = append(out, bytes.TrimSuffix(t, []byte("\n")))
	}
	return out
}

// An Extractor reads one account at one source.
type Extractor interface {
	// Extract yields the blobs that r asks for. Every error is an *Error. After an
	// error that concerns one document or file only (Error.Key is set) the sequence goes on;
	// after any other it stops. Extracting the same request twice yields the same keys.
	//
	// Extract must be safe to stop early and to start again.
	Extract(ctx context.Context, r Request) iter.Seq2[Blob, error]
}

// What went wrong, for errors.Is.
var (
	ErrTransient = errors.New("try again later") // network, 429, 5xx: the same request may succeed
	ErrAuth      = errors.New("not authorized")  // the key is wrong or lacks a permission
	ErrMalformed = errors.New("malformed")       // the source sent what its documentation rules out
	ErrRefused   = errors.New("refused")         // any other refusal: asking again will not help
	ErrUnread    = errors.New("cannot be read")  // a file in the inbox that the system will not let us read
)

// An Error says where an extraction stopped.
type Error struct {
	Source string // the configured name, "klarna-se"
	Stream Stream
	Where  string // page, file and line, or URL path; "" if none
	Key    string // set when only this document or file failed and the rest went on
	Err    error  // wraps one of the sentinels above where one fits
	Do     string // what a person can do; "" if nothing is known
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Source)
	if e.Stream != "" {
		fmt.Fprintf(&b, " %s", e.Stream)
	}
	if e.Where != "" {
		fmt.Fprintf(&b, " at %s", e.Where)
	}
	fmt.Fprintf(&b, ": %v", e.Err)
	if e.Do != "" {
		fmt.Fprintf(&b, " (%s)", e.Do)
	}
	return b.String()
}

func (e *Error) Unwrap() error { return e.Err }

// Config is what a connector gets to know of its [[source]] block.
type Config struct {
	Name    string            // the configured name
	BaseURL string            // the whole prefix before the provider's documented path, without a trailing slash; "" for the default
	Keys    map[string]string // the provider's own keys, secrets resolved: "username", "password"
	Client  *http.Client      // waits out 429, 5xx and broken connections itself
	Now     func() time.Time
	Vault   Vault // nil where nothing can be kept: a connector that needs it says so in Open
}

// A Vault keeps what a connector must remember between runs: tokens, and nothing that can
// be fetched again. What is in it is encrypted on disk.
type Vault interface {
	// Update hands change the bytes kept under name, nil if there are none, and keeps what it
	// returns. No other process is between the two, and what is kept is on disk when Update
	// returns: a refresh token that may be used once is safe in change. The bytes stay as they
	// were when change returns an error, which Update then returns.
	Update(ctx context.Context, name string, change func(kept []byte) ([]byte, error)) error
}

// A Stage is one stream in the order it is fetched.
type Stage struct {
	Stream Stream
	// Follow is the file name of a query, in the connector's folder, that lists the IDs to fetch in its only
	// column, id. It sees everything staged so far, and the parameters $source (VARCHAR) and
	// $reread (BOOLEAN: the user named a window, so known things in it are read again, from
	// $since and $until TIMESTAMP). Empty: the stream is listed by window.
	Follow string
	// Listed says that a stream with Follow can also be asked for by window, which shows whether the key is right.
	Listed bool
	// Overlap is how far a window reaches back over what was read before; 0 is the pipeline's own,
	// 14 days. A list by the time of the last change needs less. The cursor is the end of the
	// day that was read, so that less than two days would miss what changed on it.
	Overlap time.Duration
	// Flows names the flows that need this stream: it is fetched when one of them is on.
	Flows []string
	// Backfill says that the IDs a user gives (checkout IDs) are IDs of this stream.
	Backfill bool
	// Along says that the stream is followed, by Follow, after orders were read by a user's IDs too.
	Along bool
	// Optional says that nothing is booked from the stream: where the key may not read it, or it fails, the run says so
	// and is done all the same. The next run asks for it again.
	Optional bool
	// Late stages wait until every source has fetched the others: a shop looks up the sale
	// behind a payout line of some provider that no document is known for.
	Late bool
}

// A Model is one staging query: it reads the new blobs of one stream and yields the
// fixed columns of one entity (package sql, schema/entities.sql).
type Model struct {
	Entity string // payouts, payout_parts, payout_lines, documents, document_lines, document_keys, provider_balances, provider_movements
	Stream Stream
	File   string // "stg_klarna__payouts.sql" in Files
	// Kinds of documents that the model yields, when another stream has the others of the same order:
	// what it yields replaces those kinds only. An order that has none of them any more is a row with
	// order_id and without doc_ref. Nil: an order is read whole.
	Kinds []string
	// Temp names a temporary table that the query fills, in place of an entity's: what the models
	// after it in the list read, so that an answer is taken apart once. It begins with the provider's name.
	Temp string
	// Leave is a condition, in SQL over the columns of a row: a row that meets it is left out when rows are merged. It is for
	// what depends on the books: a query that reads nothing but answers can run while what came before them is merged.
	Leave string
}

// A Source describes a connector to the pipeline.
type Source struct {
	Name     string // the provider: "klarna"
	Title    string // as people write it: "Klarna"
	Docs     string // where its API is documented
	Keys     []Key  // the keys its [[source]] block takes
	Stages   []Stage
	Models   []Model
	Macros   string   // file of TEMP macros that the models use; "" for none
	Prepare  string   // file of TEMP tables made of raw before its models run, where several share much work; "" for none
	Files    fs.FS    // the folder's own .sql files, embedded
	Inbox    *Inbox   // non-nil when the provider's report files can be read from a folder
	Flows    []string // the flows it can deliver
	Defaults Defaults
	Kinds    []Kind // what the provider's words mean; anything else is unknown
	// Account names the account at the provider that cfg speaks to, so that two blocks
	// of one account can be told from two accounts. Secrets do not go into it.
	Account func(cfg Config) string
	// Every is the least time between two requests that the provider allows, on average; nil
	// or 0 is no limit. A 429 is waited out all the same.
	Every func(cfg Config) time.Duration
	// Largest is how many bytes one answer may have; 0 is 64 MiB, enough for any page of a list.
	Largest int64
	// Open checks cfg and never dials. Nil when the connector reads from an inbox only.
	Open func(cfg Config) (Extractor, error)
	// UniquePayouts says that a payout ID is one payout whatever [[source]] brings it: the
	// second of two sources that read the same account, one from a folder perhaps, is held. Elsewhere
	// one is held whose rows are the same too.
	UniquePayouts bool
	// Shop says that it is a shop: its documents are settled by other sources' payouts.
	Shop bool
	// Personal names the JSON keys (at any depth) and report columns whose values are about
	// a person: names, addresses, e-mail, phone, birth dates, national IDs. Lower case.
	Personal []string
	// NotPersonal names keys within those whose values are about nobody and are needed: the country of an
	// address, the ID of a transaction. Everything else under a Personal key is sealed before it is archived.
	NotPersonal []string
	// Hook is how the provider calls us; nil when it never does.
	Hook *Hook
	// Consent is where a person allows kvitt to read the account; nil when keys alone do it, or
	// when cfg says that they do.
	Consent func(cfg Config) *Consent
}

// ModelsOf returns the models of a stream, in their order.
func (s Source) ModelsOf(stream string) []Model {
	var models []Model
	for _, m := range s.Models {
		if string(m.Stream) == stream {
			models = append(models, m)
		}
	}
	return models
}

// A Hook tells the provider's webhooks from forgeries. A webhook is a hint: it names what
// is then fetched, and nothing else in it is believed.
type Hook struct {
	// Unsigned hooks carry no signature: a secret in their URL stands in for one.
	Unsigned bool
	// Read checks the signature over the raw bytes, in constant time, and says what the call
	// names. Errors: wrap ErrAuth for a signature that is missing, wrong or too old; ErrMalformed
	// for what cannot be read.
	Read func(cfg Config, call Call) ([]Hint, error)
	// Reply is what the provider expects once the call is kept.
	Reply func(call Call) (mediaType string, body []byte)
}

// A Call is one webhook as it came in.
type Call struct {
	Method string
	URL    *url.URL
	Header http.Header
	Body   []byte
	At     time.Time
}

// A Hint names a thing that has changed at the source.
type Hint struct {
	Stream Stream
	ID     string // what Request.IDs takes; "" means that the stream's window is worth a look
}

// A Consent is an OAuth authorisation-code flow. kvitt connect walks a person through it and
// keeps the token in the vault, under the source's name, as JSON: access_token, refresh_token, expiry.
type Consent struct {
	AuthURL, TokenURL      string
	ClientID, ClientSecret string
	Scopes                 []string
	Params                 map[string]string // added to AuthURL
}

// A Key is a configuration key of a connector.
type Key struct {
	Name     string
	Secret   bool
	Required bool   // not when the source reads from an inbox
	Unless   string // the key that stands in for it when it is set; "" for none
	Help     string
}

// An Inbox says how the provider's report files are recognised and staged.
type Inbox struct {
	Stream   Stream
	Suffixes []string // lower case, with the dot: ".csv"
	Header   []string // column names every such file has; others are held as malformed
	Optional []string // column names the models read when they are there
	// Sections says that a file is several tables, one below the other: the column names that
	// tell the header of each, in their order. Header and Optional are not used then. The models of Stream get such a file as JSON,
	// a row with its line number in the file: {"offset": 0, "sections": [[{"line": 2, "column": "value"}], …]}. The rows of the
	// last table come 500 at a time, from offset on, in objects that all have the other tables whole.
	Sections [][]string
}

// Defaults are the provider's rows of the tables in posting_rules §1 and §4.
type Defaults struct {
	Clearing, Fee int
	FeeVAT        string // reported | none | reverse_charge
}

// A Kind maps a provider's word to ours. Word is "TYPE" or "TYPE/DETAIL", where
// DETAIL may hold the wildcard *; the most specific row wins.
type Kind struct {
	Word string
	Kind string // sale, refund, chargeback, fee, reserve, loan, carried, payout, decision
}
