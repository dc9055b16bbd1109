package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/fixtures/sandbox"
)

func TestASecondRunAtTheSameTimeSaysWhoHoldsTheData(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	url := serve(t, m, sandbox.Options{Faults: []sandbox.Fault{{Kind: sandbox.Slow, Every: 1, Times: 1, Delay: 5 * time.Second}}})
	w := newWorld(t, m, url, monthEnd)
	cmd, both := w.process("run")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 200 {
		if b, err := os.ReadFile(w.path("data", "lock")); err == nil && len(b) > 0 {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	for _, args := range [][]string{{"run"}, {"post"}, {"backfill", "--source", "klarna", "--ids", "x"}, {"rebuild"}, {"verify"}} {
		w.kvitt(args...).want(t, 4, "another run holds the data directory", fmt.Sprintf("process %d", cmd.Process.Pid), "kvitt run", "wait")
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 3 {
		t.Fatalf("%v\n%s", err, both)
	}
	// Reading never waits for a run, and nobody holds the data afterwards.
	w.kvitt("payouts").want(t, 0)
	w.kvitt("run").want(t, 3)
	w.kvitt("verify").want(t, 0)
}

// adyenOnly is a world without Klarna: it is all about the files.
func adyenOnly(t *testing.T, m *sandbox.Merchant) *world {
	w := newWorld(t, m, "http://127.0.0.1:9/klarna", monthEnd)
	text := fmt.Sprintf(demoConfig, "x", "x", "http://127.0.0.1:9/klarna")
	i, j := strings.Index(text, "[[source]]"), strings.Index(text, "[[source]]\nname      = \"adyen\"")
	w.write("kvitt.toml", text[:i]+text[j:])
	return w
}

func (w *world) payouts() [][]string {
	return w.query("select payout_id, status from recon.payouts order by 1")
}

func TestAFileThatCannotBeReadIsNamedAndTheOthersAreBooked(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	clean := adyenOnly(t, m)
	want := digest(t, clean.kvitt("run").must(t, 0, 3))
	for _, tt := range []struct {
		name string
		make func(t *testing.T, path string)
	}{
		{"a link to nothing", func(t *testing.T, path string) {
			if err := os.Symlink(filepath.Join(t.TempDir(), "nothing"), path); err != nil {
				t.Fatal(err)
			}
		}},
		{"a link to itself", func(t *testing.T, path string) {
			if err := os.Symlink(path, path); err != nil {
				t.Fatal(err)
			}
		}},
		{"a folder with the name of a report", func(t *testing.T, path string) {
			if err := os.Mkdir(path, 0o700); err != nil {
				t.Fatal(err)
			}
		}},
		{"a pipe", func(t *testing.T, path string) {
			if err := syscall.Mkfifo(path, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file that fails while it is read", func(t *testing.T, path string) {
			if _, err := os.Stat("/proc/self/mem"); err != nil {
				t.Skip("skipped: there is no /proc/self/mem to stand for a bad disk")
			}
			if err := os.Symlink("/proc/self/mem", path); err != nil {
				t.Fatal(err)
			}
		}},
		{"a file without permission", func(t *testing.T, path string) {
			if os.Geteuid() == 0 {
				t.Skip("skipped: root may read every file")
			}
			if err := os.WriteFile(path, []byte("x"), 0); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := adyenOnly(t, m)
			bad := w.path("inbox", "aaa_bad.csv") // before the others in any order
			tt.make(t, bad)
			o := w.kvitt("run").want(t, 1, "aaa_bad.csv")
			if got := digest(t, o); got != want {
				t.Errorf("ledger digest %s, want %s: the other reports", got, want)
			}
			if diff := cmp.Diff(clean.payouts(), w.payouts()); diff != "" {
				t.Errorf("payouts mismatch (-without +with the bad file):\n%s", diff)
			}
			w.kvitt("verify").want(t, 0)
			if err := os.Remove(bad); err != nil {
				t.Fatal(err)
			}
			w.kvitt("run").want(t, 3, "0 entries booked")
			w.sameBooks(want)
		})
	}
}

func TestAFileThatIsNoReportIsHeldAndTheOthersAreBooked(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	clean := adyenOnly(t, m)
	want := digest(t, clean.kvitt("run").must(t, 0, 3))
	report := m.Batches()[0].CSV()
	header, _, _ := bytes.Cut(report, []byte("\n"))
	for _, tt := range []struct {
		name string
		body []byte
	}{
		{"empty", nil},
		{"one line end", []byte("\n")},
		{"zeros", make([]byte, 4096)},
		{"bytes without meaning", slices.Repeat([]byte{0xff, 0x00, 0x0a, 0x2c, 0x22, 0xc3}, 500)},
		{"a web page", []byte("<!DOCTYPE html>\n<html><body>Log in, please</body></html>\n")},
		{"another table", []byte("a,b,c\n1,2,3\n")},
		{"a header alone", append(bytes.Clone(header), '\n')},
		{"a header that is cut off", header[:len(header)/2]},
		{"one endless line", bytes.Repeat([]byte("x"), 3<<20)},
		{"UTF-16", append([]byte{0xff, 0xfe}, bytes.Join(bytes.Split(report, nil), []byte{0})...)},
		{"a spreadsheet", append([]byte("PK\x03\x04\x14\x00\x06\x00\x08\x00"), slices.Repeat([]byte{7, 200, 0, 13, 10}, 300)...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := adyenOnly(t, m)
			bad := w.path("inbox", "aaa_bad.csv")
			if err := os.WriteFile(bad, tt.body, 0o600); err != nil {
				t.Fatal(err)
			}
			o := w.kvitt("run").want(t, 3)
			if o.code != 3 {
				return
			}
			if got := digest(t, o); got != want {
				t.Errorf("ledger digest %s, want %s: the other reports", got, want)
			}
			found := w.query("select kind, document_id, reason, suggestion from recon.exceptions where status = 'open' and kind = 'malformed_record'")
			if len(found) != 1 || !strings.Contains(found[0][1], "aaa_bad.csv") || found[0][2] == "" || found[0][3] == "" {
				t.Errorf("exceptions: %q", found)
			}
			w.kvitt("run").want(t, 3, "0 entries booked")
			if got := w.query("select count(*) from recon.exceptions where status = 'open' and kind = 'malformed_record'"); got[0][0] != "1" {
				t.Errorf("%s exceptions after the second run", got[0][0])
			}
			// The right file under the same name mends it.
			if err := os.WriteFile(bad, report, 0o600); err != nil {
				t.Fatal(err)
			}
			w.kvitt("run").want(t, 3)
			if got := w.query("select count(*) from recon.exceptions where status = 'open' and kind = 'malformed_record'"); got[0][0] != "0" {
				t.Errorf("%s exceptions after the file was mended", got[0][0])
			}
			w.kvitt("verify").want(t, 0)
		})
	}
}

func TestAReportThatIsCutOffIsHeldUntilTheWholeOneComes(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	var whole sandbox.Batch
	for _, b := range m.Batches() {
		if len(b.Entries) > 5 {
			whole = b
			break
		}
	}
	report := whole.CSV()
	clean := adyenOnly(t, m)
	clean.kvitt("run").must(t, 0, 3)
	if s := clean.query("select status from recon.payouts where payout_id = '" + whole.ID() + "'"); s[0][0] != "booked" {
		t.Fatalf("%s is %s", whole.ID(), s)
	}
	lines := bytes.SplitAfter(report, []byte("\n"))
	middle := len(bytes.Join(lines[:len(lines)/2], nil))
	for _, tt := range []struct {
		name string
		size int
	}{
		{"between two rows", middle},
		{"in the first column of a row", middle + 3},
		{"in the middle of a row", middle + len(lines[len(lines)/2])/2},
		{"without the last row", len(report) - len(lines[len(lines)-1]) - len(lines[len(lines)-2])},
		{"in the last row", len(report) - len(lines[len(lines)-1]) - len(lines[len(lines)-2])/2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := adyenOnly(t, m)
			path := w.path("inbox", whole.File())
			if err := os.WriteFile(path, report[:tt.size], 0o600); err != nil {
				t.Fatal(err)
			}
			w.kvitt("run").must(t, 3)
			for _, p := range w.payouts() {
				if p[0] == whole.ID() && p[1] != "held" {
					t.Errorf("payout %s is %s", p[0], p[1])
				}
			}
			if n := w.env.one(t, "select count(*) from recon.exceptions where status = 'open' and document_id like '%"+whole.ID()+"%' or kind = 'malformed_record'"); n == "0" {
				t.Error("no exception says so")
			}
			if n := w.env.one(t, "select count(*) from recon.payouts where status = 'booked'"); n == "0" {
				t.Error("no other payout is booked")
			}
			// The whole report comes.
			if err := os.WriteFile(path, report, 0o600); err != nil {
				t.Fatal(err)
			}
			w.kvitt("run").must(t, 3)
			for _, x := range w.query("select kind, reason from recon.exceptions where status = 'open' and (document_id like '%" + whole.ID() + "' or kind = 'malformed_record')") {
				if x[0] != "payout_changed" {
					t.Errorf("the whole report is here, and still: %s: %s", x[0], x[1])
				}
			}
			w.kvitt("verify").want(t, 0)
			w.kvitt("rebuild", "--into", filepath.Join(t.TempDir(), "x")).want(t, 0)
		})
	}
}

func TestWithoutTheWorkingDatabaseTheNextRunMakesItAnew(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	want := digest(t, w.kvitt("run", "--post").must(t, 3))
	for _, gone := range [][]string{{"work.duckdb"}, {"work.duckdb", "published"}, {"published"}, {"work.duckdb", "published", "spool", "tmp", "lock"}} {
		t.Run(strings.Join(gone, " and "), func(t *testing.T) {
			for _, f := range gone {
				if err := os.RemoveAll(w.path("data", f)); err != nil {
					t.Fatal(err)
				}
			}
			if got := digest(t, w.kvitt("run", "--post").want(t, 3, "0 entries booked", "0 vouchers posted")); got != want {
				t.Errorf("ledger digest %s, want %s", got, want)
			}
			w.kvitt("verify").want(t, 0)
		})
	}
	w.sameBooks(want)
}

func TestADamagedWorkingDatabaseLosesNothingAndSaysWhatToDo(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	want := digest(t, w.kvitt("run", "--post").must(t, 3))
	file := w.path("data", "work.duckdb")
	good, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		body []byte
	}{
		{"garbage", bytes.Repeat([]byte("garbage "), 1<<12)},
		{"nothing but zeros", make([]byte, 1<<16)},
		{"cut off", good[:len(good)/3]},
		{"the head of another file", append([]byte("SQLite format 3\x00"), good[16:]...)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := os.WriteFile(file, tt.body, 0o600); err != nil {
				t.Fatal(err)
			}
			o := w.kvitt("run").want(t, 1, "nothing is lost", "kvitt rebuild")
			if o.code == 1 {
				w.kvitt("balances").want(t, 0) // the published copy is another file
				w.kvitt("verify").want(t, 1, "work.duckdb")
			}
			// What the message says to do works.
			if err := os.Rename(file, w.path("old")); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(file + ".wal")
			w.kvitt("rebuild").want(t, 0, "reached  "+want)
			if got := digest(t, w.kvitt("run", "--post").want(t, 3, "0 entries booked", "0 vouchers posted")); got != want {
				t.Errorf("ledger digest %s, want %s", got, want)
			}
			w.kvitt("verify").want(t, 0)
		})
	}
}

// What a run leaves that ends as it makes the file: it holds nothing, and needs nobody.
func TestAnEmptyWorkingDatabaseIsMadeAnew(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	w := newWorld(t, m, serve(t, m, sandbox.Options{}), monthEnd)
	want := digest(t, w.kvitt("run", "--post").must(t, 3))
	if err := os.WriteFile(w.path("data", "work.duckdb"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := digest(t, w.kvitt("run").must(t, 3)); got != want {
		t.Errorf("ledger digest %s, want %s", got, want)
	}
	w.kvitt("verify").want(t, 0)
}

func TestAFullDiskLeavesTheBooksIntact(t *testing.T) {
	t.Parallel()
	m := smallMonth()
	url := serve(t, m, sandbox.Options{})
	clean := newWorld(t, m, url, monthEnd)
	want := digest(t, clean.kvitt("run", "--post").must(t, 3))

	early := time.Date(2026, 3, 12, 22, 0, 0, 0, time.UTC)
	for _, left := range []int{0, 15, 17, 19, 21} { // MB
		t.Run(fmt.Sprintf("%d MB left", left), func(t *testing.T) {
			w := newWorld(t, m, url, early)
			mount(t, w.path("data"), 96)
			// A first run, of the reports up to then, is what must survive.
			first := digest(t, w.kvitt("run", "--source", "adyen", "--post").must(t, 0, 3))
			w.at(monthEnd)
			fill(t, w.path("data"), left)

			cmd, both := w.process("run", "--post")
			err := cmd.Run()
			code := cmd.ProcessState.ExitCode()
			switch {
			case code == 3 && left > 16:
				t.Logf("%d MB are enough", left)
			case code != 1:
				t.Errorf("%v, want exit status 1\n%s", err, clip(both.String()))
			case !strings.Contains(both.String(), "the disk is full") && !strings.Contains(both.String(), "the disk is nearly full"):
				t.Errorf("nothing about the disk: %s", clip(both.String()))
			default:
				lines := strings.Split(strings.TrimSpace(both.String()), "\n")
				t.Log(clip(strings.Join(lines[max(0, len(lines)-3):], "\n")))
			}
			// The earlier books can be read while the disk is full.
			if code == 1 {
				if got := w.env.one(t, "select ledger_digest from recon.runs order by run_id desc limit 1"); got != first {
					t.Errorf("published ledger digest %s, want %s", got, first)
				}
			}
			if err := os.Remove(w.path("data", "ballast")); err != nil {
				t.Fatal(err)
			}
			// A publication that broke off is no fault of the books: the archive is whole.
			o := w.kvitt("verify").must(t, 0, 1)
			o.want(t, o.code, "ok     archive: ")
			w.kvitt("run", "--post").must(t, 3)
			w.sameBooks(want)
			w.sameParquet()
			if diff := cmp.Diff(ledgerSums(t, w.env), sieSums(t, w.path("data", "sie"))); diff != "" {
				t.Errorf("posted is not what is booked (-ledger +SIE):\n%s", diff)
			}
		})
	}
}

// mount puts a small file system of its own at dir until the test ends.
func mount(t *testing.T, dir string, megabytes int) {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	b, err := exec.Command("mount", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm,mode=700", megabytes), "tmpfs", dir).CombinedOutput()
	if err != nil {
		t.Skipf("skipped: a small file system cannot be mounted here (it takes root): %s", bytes.TrimSpace(b))
	}
	t.Cleanup(func() {
		if b, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, b)
		}
	})
}

// fill leaves so many megabytes on the file system of dir.
func fill(t *testing.T, dir string, left int) {
	t.Helper()
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		t.Fatal(err)
	}
	n := int64(st.Bavail)*st.Bsize - int64(left)<<20
	if n <= 0 {
		t.Skipf("skipped: less than %d MB are left as it is", left)
	}
	f, err := os.Create(filepath.Join(dir, "ballast"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := syscall.Fallocate(int(f.Fd()), 0, 0, n); err != nil {
		t.Skipf("skipped: the file system cannot be filled: %v", err)
	}
}
