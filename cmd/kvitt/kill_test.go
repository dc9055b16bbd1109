package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/fixtures/sandbox"
	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load/sie"
)

// sieSums adds up every voucher under dir per account, and fails if one is there twice.
func sieSums(t *testing.T, dir string) map[string]string {
	t.Helper()
	stored, err := sie.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	sums := map[string]ledger.Minor{}
	seen := map[string]string{}
	for _, s := range stored {
		if s.Err != nil {
			t.Errorf("%s: %v", s.Name, s.Err)
			continue
		}
		for _, v := range s.File.Vouchers {
			if first, twice := seen[v.ID]; twice {
				t.Errorf("voucher %s is in %s and in %s", v.ID, first, s.Name)
			}
			seen[v.ID] = s.Name
			if v.Sum() != 0 {
				t.Errorf("voucher %s sums to %d", v.ID, v.Sum())
			}
			for _, r := range v.Rows {
				sums[r.Account] += r.Amount
			}
		}
	}
	out := map[string]string{}
	for a, n := range sums {
		out[a] = n.Decimal(2)
	}
	return out
}

// ledgerSums are the balances of the books, as sieSums gives those of the files.
func ledgerSums(t *testing.T, e env) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range e.rows(t, "select account, balance from recon.balances") {
		out[r[0]] = r[1]
	}
	return out
}

var lastStep = regexp.MustCompile(`msg="?([a-z]+)`)

func TestKilledAtAnyMomentNothingIsLostAndNothingIsTwice(t *testing.T) {
	t.Parallel()
	kills := 110
	if testing.Short() {
		kills = 15
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))

	m := smallMonth()
	var now atomic.Int64
	url := serve(t, m, sandbox.Options{Now: func() time.Time { return time.Unix(now.Load(), 0).UTC() }})
	start := time.Date(2026, 3, 2, 22, 0, 0, 0, time.UTC)
	day := func(w *world, at time.Time) {
		now.Store(at.Unix())
		w.at(at)
	}

	// What one run at the end of the month makes of it, and how long a day's run takes.
	now.Store(monthEnd.Unix())
	a := newWorld(t, m, url, monthEnd)
	want := digest(t, a.kvitt("run", "--post").must(t, 0, 3))
	if diff := cmp.Diff(ledgerSums(t, a.env), sieSums(t, a.path("data", "sie"))); diff != "" {
		t.Fatalf("undisturbed, posted is not what is booked (-ledger +SIE):\n%s", diff)
	}
	measured := newWorld(t, m, url, start)
	day(measured, start.AddDate(0, 0, 10))
	for range 2 {
		cmd, both := measured.process("run", "--post")
		if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 3 {
			t.Fatalf("%v\n%s", err, both)
		}
		day(measured, start.AddDate(0, 0, 12))
	}
	began := time.Now()
	day(measured, start.AddDate(0, 0, 14))
	cmd, _ := measured.process("run", "--post")
	_ = cmd.Run()
	usual := time.Since(began)
	t.Logf("an undisturbed run takes %v", usual.Round(time.Millisecond))

	b := newWorld(t, m, url, start)
	day(b, start)
	days := int(monthEnd.Sub(start).Hours() / 24)
	killed, finished, tries := 0, 0, 0
	during := map[string]int{}
	began = time.Now()
	for killed < kills {
		if tries++; tries > 4*kills {
			t.Fatalf("only %d of %d runs could be killed", killed, tries)
		}
		cmd, both := b.process("run", "--post")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		after := time.Duration(rnd.Float64() * 1.2 * float64(usual))
		begun := time.Now()
		kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
		err := cmd.Wait()
		kill.Stop()
		said.hear(cmd.Args, both.String())
		if ws, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); ok && ws.Signaled() && ws.Signal() == syscall.SIGKILL {
			killed++
			step := "start"
			if all := lastStep.FindAllStringSubmatch(both.String(), -1); len(all) > 0 {
				step = all[len(all)-1][1]
			}
			during[step]++
		} else if code := cmd.ProcessState.ExitCode(); code == 0 || code == 3 {
			finished++
			usual = (2*usual + time.Since(begun)) / 3
		} else {
			t.Fatalf("a run after %d kills: %v (seed %d)\n%s", killed, err, seed, both)
		}
		// What was published before can be read at any time, whatever happened since.
		if finished > 0 && killed%5 == 0 {
			b.kvitt("query", "select count(*) from recon.entries").must(t, 0)
		}
		// The world goes on, so that there is something to interrupt.
		if at := start.AddDate(0, 0, days*killed/kills); at.After(b.now) {
			day(b, at)
		}
	}
	t.Logf("%d kills in %d runs, %d runs finished, the last in about %v, %v in all; last step before a kill: %v", killed, tries, finished, usual.Round(time.Millisecond), time.Since(began).Round(time.Second), during)

	day(b, monthEnd)
	cmd, both := b.process("run", "--post")
	if err := cmd.Run(); err != nil && cmd.ProcessState.ExitCode() != 3 {
		t.Fatalf("%v\n%s", err, both)
	}
	if diff := cmp.Diff(ledgerSums(t, a.env), ledgerSums(t, b.env)); diff != "" {
		t.Errorf("balances mismatch (-undisturbed +killed), seed %d:\n%s", seed, diff)
	}
	if diff := cmp.Diff(ledgerSums(t, b.env), sieSums(t, b.path("data", "sie"))); diff != "" {
		t.Errorf("posted is not what is booked (-ledger +SIE), seed %d:\n%s", seed, diff)
	}
	posted := b.query("select count(*), count(distinct erp_document_id), count(*) filter (status = 'posted') from recon.erp_documents")[0]
	if posted[0] != posted[1] || posted[0] != posted[2] {
		t.Errorf("vouchers, different ones and posted ones: %v", posted)
	}
	b.sameBooks(want)
	b.sameParquet()
	if t.Failed() {
		t.Logf("entries that only one of the two has:\n%s", entryDiff(t, a.env, b.env))
	}
}

// entryDiff lists what tells two ledgers apart.
func entryDiff(t *testing.T, a, b env) string {
	t.Helper()
	const q = "select e.book_date, e.kind, e.document_id, e.entry_id, e.text, p.account, p.amount from recon.entries as e inner join recon.postings as p using (entry_id) order by all"
	have := map[string]int{}
	for _, r := range a.rows(t, q) {
		have[strings.Join(r, " ")]++
	}
	for _, r := range b.rows(t, q) {
		have[strings.Join(r, " ")]--
	}
	var out []string
	for k, n := range have {
		if n != 0 {
			out = append(out, fmt.Sprintf("%+d %s", n, k))
		}
	}
	return clip(strings.Join(out, "\n"))
}

// The first run makes files that are not there yet: none of them may be in the way of the
// next one.
func TestKilledInItsFirstMomentsTheNextRunBegins(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	url := serve(t, m, sandbox.Options{})
	dirs, kills := 2, 8
	if testing.Short() {
		dirs = 1
	}
	for d := range dirs {
		w := newWorld(t, m, url, monthEnd)
		for i := range kills {
			cmd, both := w.process("run", "--source", "adyen")
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			after := time.Duration(20+25*i+12*d) * time.Millisecond
			kill := time.AfterFunc(after, func() { _ = cmd.Process.Kill() })
			_ = cmd.Wait()
			kill.Stop()
			if code := cmd.ProcessState.ExitCode(); code > 0 && code != 3 {
				t.Fatalf("a run after %d kills ends with %d:\n%s", i, code, both)
			}
		}
		w.kvitt("run", "--source", "adyen").must(t, 3)
		w.kvitt("verify").want(t, 0)
		w.sameParquet()
	}
}

// killAfter runs a command and kills it so long after a word stands in its log.
func (w *world) killAfter(word string, wait time.Duration, args ...string) {
	w.t.Helper()
	cmd, both := w.process(args...)
	cmd.Stderr = &trigger{word: []byte(word), do: func() {
		if wait == 0 {
			_ = cmd.Process.Kill()
			return
		}
		time.AfterFunc(wait, func() { _ = cmd.Process.Kill() })
	}}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code >= 0 {
		w.t.Logf("it ended with %d before it was killed: %s", code, both)
	}
}

// Killed after it booked, with nothing new for the next run to find: what was booked is
// posted and published all the same, in every file.
func TestKilledAfterBookingTheNextRunPostsAndPublishesAll(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	url := serve(t, m, sandbox.Options{})
	want := digest(t, newWorld(t, m, url, monthEnd).kvitt("run", "--post").must(t, 3))
	moments := []struct {
		word string
		ms   time.Duration
	}{{"msg=booked", 0}, {"msg=booked", 15}, {"msg=booked", 40}, {"msg=posted", 0}, {"msg=posted", 60}, {"msg=posted", 120}, {"msg=posted", 200}}
	if testing.Short() {
		moments = moments[:4:4]
	}
	for _, at := range moments {
		t.Run(fmt.Sprintf("%d ms after %s", at.ms, at.word), func(t *testing.T) {
			w := newWorld(t, m, url, time.Date(2026, 3, 12, 22, 0, 0, 0, time.UTC))
			w.kvitt("run", "--source", "adyen", "--post").must(t, 0, 3)
			w.at(monthEnd)
			w.killAfter(at.word, at.ms*time.Millisecond, "run", "--post")
			w.kvitt("run", "--post").must(t, 3)
			w.sameParquet()
			w.sameBooks(want)
			if diff := cmp.Diff(ledgerSums(t, w.env), sieSums(t, w.path("data", "sie"))); diff != "" {
				t.Errorf("posted is not what is booked (-ledger +SIE):\n%s", diff)
			}
		})
	}
}

// The intent and the receipt of a run that was killed stand in the archive before the bytes
// of the next one; those bytes are booked with the run that fetched them.
func TestRebuildBooksWhatCameAfterARunThatWasKilledWhenItHadPosted(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	w.killAfter("msg=posted", 0, "run", "--source", "adyen", "--post")
	w.sameBooks(digest(t, w.kvitt("run", "--post").must(t, 3)))
}

// A trigger does something once when a word is written.
type trigger struct {
	word, seen []byte
	do         func()
}

func (x *trigger) Write(b []byte) (int, error) {
	x.seen = append(x.seen, b...)
	if x.do != nil && bytes.Contains(x.seen, x.word) {
		x.do()
		x.do = nil
	}
	return len(b), nil
}

// Killed while it posts, again and again: the file is the receipt.
func TestKilledWhilePostingEveryVoucherIsThereOnce(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	url := serve(t, m, sandbox.Options{})
	w := newWorld(t, m, url, monthEnd)
	want := digest(t, w.kvitt("run", "--no-post").must(t, 3))
	w.kvitt("rebuild", "--into", filepath.Join(t.TempDir(), "x")).want(t, 0)
	killed := 0
	for i := range 20 {
		cmd, both := w.process("post")
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(time.Duration(50+60*i)*time.Millisecond, func() { _ = cmd.Process.Kill() })
		_ = cmd.Wait()
		kill.Stop()
		if cmd.ProcessState.ExitCode() > 0 {
			t.Fatalf("%s", both)
		}
		if cmd.ProcessState.ExitCode() < 0 {
			killed++
		}
	}
	t.Logf("%d of 20 posts were killed", killed)
	if killed == 0 {
		t.Error("none was killed")
	}
	w.kvitt("post").must(t, 0)
	w.kvitt("run", "--post").must(t, 3)
	if diff := cmp.Diff(ledgerSums(t, w.env), sieSums(t, w.path("data", "sie"))); diff != "" {
		t.Errorf("posted is not what is booked (-ledger +SIE):\n%s", diff)
	}
	w.sameBooks(want)
}
