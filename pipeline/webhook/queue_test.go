package webhook

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

func open(t *testing.T, dir string) *Queue {
	t.Helper()
	q, err := OpenQueue(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func named(id string) Call {
	return Call{Source: "shop", At: noon, Type: "application/json", Body: []byte(`{"name":"Vera Påhittad"}`), Hints: []extract.Hint{{Stream: "orders", ID: id}}}
}

func add(t *testing.T, q *Queue, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := q.Add(named(id)); err != nil {
			t.Fatal(err)
		}
	}
}

func ids(b Batch) []string {
	var out []string
	for _, h := range b.Hints {
		out = append(out, h.ID)
	}
	return out
}

// What is answered is there after a restart, once however often it was named; what was fetched is not,
// unless it was named again while it was being fetched. No body outlives its use.
func TestWhatIsKeptIsFetchedOnceAcrossRestarts(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	add(t, q, "1", "2", "1", "3")
	q.Close()
	q = open(t, dir)
	first := q.Take(noon, 2)
	if diff := cmp.Diff([]string{"1", "2"}, ids(first)); diff != "" {
		t.Fatal(diff)
	}
	q.Close() // before it is done
	q = open(t, dir)
	first = q.Take(noon, 10)
	if diff := cmp.Diff([]string{"1", "2", "3"}, ids(first)); diff != "" {
		t.Fatal(diff)
	}
	add(t, q, "2", "4")
	left := []Left{{Hint: Hint{"shop", "orders", "3"}}}
	if err := q.Done(first, left, noon); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(filepath.Join(dir, fileName)); err != nil || bytes.Contains(b, []byte("Vera")) {
		t.Errorf("a body is still there: %q, %v", b, err)
	}
	for range 2 {
		if diff := cmp.Diff([]string{"2", "4"}, ids(q.Take(noon, 10))); diff != "" {
			t.Error(diff)
		}
		if diff := cmp.Diff([]string{"2", "3", "4"}, slices.Sorted(slices.Values(ids(q.Take(noon.Add(firstPause), 10))))); diff != "" {
			t.Error(diff)
		}
		if w := q.Wait(noon); w != 0 {
			t.Errorf("wait %v", w)
		}
		q.Close()
		q = open(t, dir)
	}
	if err := q.Done(q.Take(noon.Add(time.Hour), 10), nil, noon); err != nil {
		t.Fatal(err)
	}
	if q.Len() != 0 || q.Wait(noon) >= 0 {
		t.Errorf("%d left", q.Len())
	}
	q.Close()
}

func TestWhatCannotBeFetchedIsTriedLessAndLessAndThenGivenUp(t *testing.T) {
	q := open(t, t.TempDir())
	defer q.Close()
	for _, gone := range []bool{true, false} {
		add(t, q, "x")
		now, tries := noon, 0
		var last time.Duration
		for q.Len() > 0 {
			w := q.Wait(now)
			if w < last && w < longPause {
				t.Errorf("try %d after %v, the one before after %v", tries, w, last)
			}
			last = w
			now = now.Add(w)
			b := q.Take(now, 10)
			if len(b.Hints) != 1 {
				t.Fatalf("%v to be tried", b.Hints)
			}
			if tries++; tries > 1000 {
				t.Fatal("it is tried for ever")
			}
			if err := q.Done(b, []Left{{b.Hints[0], gone}}, now); err != nil {
				t.Fatal(err)
			}
		}
		if gone && (tries != goneTries || now.Sub(noon) < 3*time.Minute) {
			t.Errorf("what is gone was tried %d times in %v", tries, now.Sub(noon))
		}
		if !gone && (now.Sub(noon) < giveUpAfter || now.Sub(noon) > giveUpAfter+2*longPause) {
			t.Errorf("what fails was given up after %v", now.Sub(noon))
		}
	}
}

// A file that ends anywhere, as a power cut may leave it, holds every call that was whole, and what
// comes next is kept behind them.
func TestAFileCutOffAnywhereHoldsWhatWasWhole(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	var ends []int64
	for i := range 5 {
		add(t, q, strconv.Itoa(i))
		st, err := os.Stat(filepath.Join(dir, fileName))
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, st.Size())
	}
	q.Close()
	whole, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	for cut := 0; cut <= len(whole); cut += 1 + cut%3 {
		d := filepath.Join(t.TempDir(), strconv.Itoa(cut))
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
		// What follows may be anything.
		if err := os.WriteFile(filepath.Join(d, fileName), append(slices.Clone(whole[:cut]), bytes.Repeat([]byte{0}, cut%40)...), 0o600); err != nil {
			t.Fatal(err)
		}
		if cut < len(magic) && cut%40 != 0 {
			continue // no file of ours
		}
		want := 0
		for _, e := range ends {
			if e <= int64(cut) {
				want++
			}
		}
		q := open(t, d)
		if q.Len() != want {
			t.Errorf("cut at %d of %d: %d calls, want %d", cut, len(whole), q.Len(), want)
		}
		add(t, q, "new")
		q.Close()
		q = open(t, d)
		if q.Len() != want+1 {
			t.Errorf("cut at %d: %d calls after one more, want %d", cut, q.Len(), want+1)
		}
		q.Close()
	}
	damaged := slices.Clone(whole)
	damaged[ends[2]+20] ^= 1
	if err := os.WriteFile(filepath.Join(dir, fileName), damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	q = open(t, dir)
	defer q.Close()
	if q.Len() != 3 {
		t.Errorf("%d calls before the damage, want 3", q.Len())
	}
	if b, err := os.ReadFile(filepath.Join(dir, fileName+".damaged")); err != nil || len(b) == 0 {
		t.Errorf("what was damaged is not kept aside: %v", err)
	}
}

// Calls that come together share an fsync: ten thousand are quick, and all of them are there.
func TestTenThousandCallsAreQuick(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	const n, senders = 10_000, 100
	began := time.Now()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := range n / senders {
				if err := q.Add(named(fmt.Sprint(s*n/senders + i))); err != nil {
					t.Error(err)
				}
			}
		})
	}
	taken := 0
	for range 20 { // a run is on
		b := q.Take(noon, 1000)
		if err := q.Done(b, nil, noon); err != nil {
			t.Fatal(err)
		}
		taken += len(b.Hints)
	}
	wg.Wait()
	took := time.Since(began)
	t.Logf("%d calls in %v", n, took)
	if took > time.Minute {
		t.Errorf("too slow")
	}
	q.Close()
	q = open(t, dir)
	defer q.Close()
	if q.Len()+taken != n {
		t.Errorf("%d taken and %d left of %d", taken, q.Len(), n)
	}
}

func TestAQueueThatCannotBeWrittenKeepsNothing(t *testing.T) {
	dir := t.TempDir()
	q := open(t, dir)
	add(t, q, "1")
	q.f.Close() // the disk is gone
	if err := q.Add(named("2")); err == nil {
		t.Error("a call that is not on disk was taken")
	}
	if q.Len() != 1 || q.Err() == nil {
		t.Errorf("%d waiting, %v", q.Len(), q.Err())
	}
	// A batch that is done writes the file anew: all is well again.
	if err := q.Done(q.Take(noon, 1), nil, noon); err != nil {
		t.Fatal(err)
	}
	add(t, q, "3")
	q.Close()
	q = open(t, dir)
	defer q.Close()
	if diff := cmp.Diff([]string{"3"}, ids(q.Take(noon, 9))); diff != "" {
		t.Error(diff)
	}
}

func TestAFileOfSomethingElseIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), []byte("something that is no queue"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenQueue(dir, slog.New(slog.DiscardHandler)); err == nil {
		t.Error("it was opened")
	}
}
