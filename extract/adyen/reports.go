package adyen

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/extract"
)

const (
	// lookahead is how many batch numbers in a row may have no report before it is taken
	// that none follow. Reports may appear out of order, and a number may be skipped.
	lookahead = 10
	// atOnce is how many reports are asked for at once, when the first one has come.
	atOnce = 4
	// largeReport is how many bytes a report may have for the next ones to be fetched together with others: all are in memory.
	largeReport = 8 << 20
	// maxInARow is how many reports in a row may fail for a reason that lies outside of
	// them (Adyen is down) before it is taken to concern all.
	maxInARow = 3
	// maxBatch is beyond any account's batch numbers.
	maxBatch = 99_999_999
)

// A client reads one merchant account's reports. It is safe for concurrent use.
type client struct {
	name           string // the configured name of the source
	base           *url.URL
	account        string
	user, password string
	first          int // the first batch to read; 0: not said
	http           *http.Client
	now            func() time.Time
}

// Extract yields settlement details reports. The IDs it takes, each with the account
// before it ("ExempelHandelSE/61") or without:
//
//	61      the report of batch 61
//	61..    batch 61 and what follows, until no number has a report any more
//	..60    from the first batch to read to batch 60
//	..      from the first batch to read on; so does a window, whatever its times
//	settlement_detail_report_….csv   a report by its file's name, as a notification names it
//
// IDs of another account are passed over; if there are no others, it is as if nothing had
// been read. Keys: "ExempelHandelSE/61"; a report without a batch number has its file's name for it.
//
// A batch without a report while a later one has one is yielded as gone, and so is one asked for by number.
//
// Errors: *extract.Error always. Its Key is set when one report failed and the others go on.
func (c *client) Extract(ctx context.Context, r extract.Request) iter.Seq2[extract.Blob, error] {
	return func(yield func(extract.Blob, error) bool) {
		s := &sequence{client: c, ctx: ctx, yield: yield}
		if r.Stream != Reports {
			s.fail("", "", fmt.Errorf("%w: no stream %q", extract.ErrRefused, r.Stream))
			return
		}
		ids := r.IDs
		if ids == nil {
			ids = []string{".."}
		}
		for _, id := range ids {
			if account, what, qualified := cutLast(id); (account == c.account || !qualified) && strings.HasSuffix(what, "..") {
				if n, err := number(strings.TrimSuffix(what, "..")); err == nil {
					s.known = max(s.known, n-1)
				}
			}
		}
		own, others := 0, 0
		seen := map[string]bool{}
		for _, id := range ids {
			account, what, qualified := cutLast(id)
			if qualified && account != c.account {
				others++
				continue
			}
			own++
			if seen[what] {
				continue
			}
			seen[what] = true
			if !s.id(what) {
				return
			}
		}
		if own == 0 && others > 0 {
			s.id("..")
		}
	}
}

// cutLast cuts an ID into account and the rest.
func cutLast(id string) (account, rest string, ok bool) {
	if i := strings.LastIndexByte(id, '/'); i >= 0 {
		return id[:i], id[i+1:], true
	}
	return "", id, false
}

// A sequence is one run of Extract.
type sequence struct {
	client *client
	ctx    context.Context
	yield  func(extract.Blob, error) bool
	failed int  // in a row, for a reason outside of the report
	read   bool // some report was read: the user may read reports
	known  int  // the last batch that earlier runs read; 0 for none
}

// id yields what one ID asks for and reports whether to go on.
func (s *sequence) id(id string) bool {
	from, to, isRange := strings.Cut(id, "..")
	switch {
	case id == "..":
		return s.discover(max(s.client.first, 1))
	case isRange && from == "":
		if s.client.first == 0 {
			return true // nobody said that there is anything before what was read
		}
		last, err := number(to)
		if err != nil {
			return s.fail(id, "", err)
		}
		return s.numbers(s.client.first, last)
	case isRange && to == "":
		n, err := number(from)
		if err != nil {
			return s.fail(id, "", err)
		}
		return s.discover(max(n, s.client.first))
	}
	if n, err := number(id); err == nil {
		if n < s.client.first {
			return true
		}
		return s.numbers(n, n)
	}
	if !reportFile.MatchString(id) {
		return s.fail(id, "", fmt.Errorf("%w: %q is neither a batch number nor a settlement details report", extract.ErrRefused, id))
	}
	if m := batchFile.FindStringSubmatch(id); m != nil {
		n, err := number(m[1])
		if err != nil {
			return s.fail(id, "", err)
		}
		return s.numbers(n, n)
	}
	f := s.client.fetch(s.ctx, id, id)
	s.settle(&f)
	return s.give(f)
}

// A report's name: that of a batch, or another that a notification may name. Nothing in it can leave the folder.
var (
	batchFile  = regexp.MustCompile(`(?i)^settlement_detail_report_batch_([0-9]{1,8})\.csv$`)
	reportFile = regexp.MustCompile(`(?i)^settlement_detail_report[A-Za-z0-9_.-]*\.csv$`)
)

// fileOf is the name Adyen gives the report of a batch.
func fileOf(batch int) string { return fmt.Sprintf("settlement_detail_report_batch_%d.csv", batch) }

func number(s string) (int, error) {
	n, err := strconv.Atoi(s)
	if err != nil || n < 0 || n > maxBatch {
		return 0, fmt.Errorf("%w: %q is no batch number", extract.ErrRefused, s)
	}
	return n, nil
}

// A fetched report, or why there is none.
type fetched struct {
	batch     int
	key, file string
	answer    answer
	err       error
	at        time.Time
}

func (c *client) fetch(ctx context.Context, key, file string) fetched {
	a, err := c.get(ctx, http.MethodGet, file)
	return fetched{key: c.account + "/" + key, file: file, answer: a, err: err, at: c.now().UTC()}
}

// batches fetches the reports of batches from first to last in order, a few at once, once the
// first answer shows that the password is right: Adyen locks users who try too often.
func (s *sequence) batches(first, last int) iter.Seq[fetched] {
	return func(yield func(fetched) bool) {
		ctx, cancel := context.WithCancel(s.ctx)
		var waiting []chan fetched
		defer func() {
			cancel()
			for _, ch := range waiting {
				<-ch
			}
		}()
		next := first
		ask := func() {
			if next > last {
				return
			}
			n, ch := next, make(chan fetched, 1)
			next, waiting = next+1, append(waiting, ch)
			go func() {
				f := s.client.fetch(ctx, strconv.Itoa(n), fileOf(n))
				f.batch = n
				ch <- f
			}()
		}
		for ask(); len(waiting) > 0; {
			f := <-waiting[0]
			waiting = waiting[1:]
			window := 1
			if f.err == nil && len(f.answer.body) < largeReport {
				window = atOnce
			}
			for len(waiting) < window && next <= last {
				ask()
			}
			if !yield(f) {
				return
			}
		}
	}
}

// settle tells what a 403 means: that the user may not read reports, or, when another report
// can be read, that this one is not there.
func (s *sequence) settle(f *fetched) {
	if f.err == nil {
		s.read = s.read || !f.answer.gone
		return
	}
	if !errors.Is(f.err, errForbidden) {
		return
	}
	if !s.read && s.known > 0 {
		s.read, _ = s.client.there(s.ctx, s.known)
	}
	if s.read {
		f.answer.gone, f.err = true, nil
	}
}

// there asks whether the report of a batch can be read.
func (c *client) there(ctx context.Context, batch int) (bool, error) {
	a, err := c.get(ctx, http.MethodHead, fileOf(batch))
	if errors.Is(err, extract.ErrRefused) { // not every server knows HEAD
		a, err = c.get(ctx, http.MethodGet, fileOf(batch))
	}
	return err == nil && !a.gone, err
}

// numbers yields the reports of batches first to last, those that are not there as gone.
func (s *sequence) numbers(first, last int) bool {
	for f := range s.batches(first, last) {
		s.settle(&f)
		if !s.give(f) {
			return false
		}
	}
	return true
}

// discover yields the reports of batch first and those after it. A number without a
// report is gone when a later one has one, or else not made yet.
func (s *sequence) discover(first int) bool {
	var missing []fetched // since the last report that came
	found, failed := false, false
	for f := range s.batches(first, maxBatch) {
		s.settle(&f)
		if f.err == nil && f.answer.gone {
			if missing = append(missing, f); len(missing) >= lookahead {
				break
			}
			continue
		}
		if f.err != nil {
			failed = true
			if !s.give(f) {
				return false
			}
			continue
		}
		// A leading number without a report is missing only if somebody said that it should be there.
		if found || s.known > 0 || s.client.first > 0 {
			for _, m := range missing {
				if !s.give(m) {
					return false
				}
			}
		}
		missing, found = nil, true
		if !s.give(f) {
			return false
		}
	}
	if s.ctx.Err() != nil {
		return s.fail("", "", s.ctx.Err())
	}
	if found || failed || s.read {
		return true
	}
	return s.nothing(first)
}

// nothing says what it means that no report is there from batch first on. The last one
// that was read must still be there, or kvitt looks in the wrong place and would look there for ever.
func (s *sequence) nothing(first int) bool {
	c := s.client
	switch {
	case s.known > 0:
		there, err := c.there(s.ctx, s.known)
		if there || errors.Is(err, extract.ErrTransient) {
			return true
		}
		if err == nil {
			err = extract.Advise(fmt.Errorf("%w: batch %d was read before and is not there any more, and none after it is", extract.ErrRefused, s.known), c.wrongPlace())
		}
		return s.give(fetched{key: c.account + "/" + strconv.Itoa(s.known), file: fileOf(s.known), err: err})
	case c.first == 0:
		return s.fail(c.account+"/"+strconv.Itoa(first), c.path(fileOf(first)), extract.Advise(
			fmt.Errorf("%w: no report of batches %d to %d is there", extract.ErrRefused, first, first+lookahead-1),
			"set first_batch to the number of the first batch to read; the Customer Area lists them under Reports → Settlement details"))
	}
	return true // first_batch is not closed yet
}

func (c *client) wrongPlace() string {
	return fmt.Sprintf("check merchant_account (%s) and base_url (%s); is the settlement details report still made automatically?", c.account, c.base.Redacted())
}

// give yields a report or its error and reports whether to go on.
func (s *sequence) give(f fetched) bool {
	if f.err == nil {
		s.failed = 0
		return s.yield(extract.Blob{Key: f.key, At: f.at, Type: "text/csv", Body: f.answer.body, Gone: f.answer.gone}, nil)
	}
	key := f.key
	_, advice := extract.Advice(f.err)
	switch {
	case errors.Is(f.err, extract.ErrAuth), errors.Is(f.err, extract.ErrMalformed), errors.Is(f.err, extract.ErrRefused) && advice, s.ctx.Err() != nil:
		key = "" // the user, another server, or the caller has left
	case errors.Is(f.err, extract.ErrTransient):
		if s.failed++; s.failed == maxInARow {
			key = ""
		}
	}
	return s.fail(key, s.client.path(f.file), f.err)
}

// fail yields err and reports whether to go on. key is set when only one report failed.
func (s *sequence) fail(key, where string, err error) bool {
	e := &extract.Error{Source: s.client.name, Stream: Reports, Where: where, Key: key, Err: err}
	e.Do, _ = extract.Advice(err)
	return s.yield(extract.Blob{}, e) && key != ""
}
