package sie

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
)

var now = time.Date(2026, 4, 1, 0, 30, 15, 999, time.FixedZone("CEST", 2*3600)) // 2026-03-31 22:30:15 UTC

func target(t *testing.T) *Target {
	return &Target{
		Dir: filepath.Join(t.TempDir(), "data", "sie"), Company: "Exempel AB", OrgNumber: "556000-0167", Currency: "SEK",
		FiscalYear: "01-01", Series: "K", Program: "kvitt", Version: "1.0",
		AccountName: func(a int) string { return fmt.Sprintf("Name of %d", a) },
	}
}

func voucher(id, day string, amount ledger.Minor) load.Voucher {
	return load.Voucher{ID: id, Group: "klarna/delivery/" + day + "/SEK", Date: date(day), Text: "Klarna leverans – " + day,
		Rows: []load.Row{{Account: 1585, Amount: amount, Text: "Łódź"}, {Account: 3001, Amount: -amount, Text: "25 %"}}, Entries: 1, Currency: "SEK"}
}

func prepareOne(t *testing.T, g *Target, vs ...load.Voucher) load.Batch {
	t.Helper()
	bs, err := g.Prepare(vs, now)
	if err != nil {
		t.Fatal(err)
	}
	if len(bs) != 1 {
		t.Fatalf("%d batches", len(bs))
	}
	return bs[0]
}

func TestFiscalYears(t *testing.T) {
	for _, tt := range []struct{ starts, day, folder, first, last string }{
		{"", "20260101", "2026", "20260101", "20261231"},
		{"01-01", "20261231", "2026", "20260101", "20261231"},
		{"09-01", "20260831", "2025-2026", "20250901", "20260831"},
		{"09-01", "20260901", "2026-2027", "20260901", "20270831"},
		{"05-01", "20280229", "2027-2028", "20270501", "20280430"},
		{"03-01", "20280229", "2027-2028", "20270301", "20280229"},
		{"01-02", "20260101", "2025-2026", "20250102", "20260101"},
		{"12-31", "20261231", "2026-2027", "20261231", "20271230"},
		// A year from leap day to leap day, and none without it.
		{"02-29", "20280228", "2027-2028", "20270301", "20280228"},
		{"02-29", "20280229", "2028-2029", "20280229", "20290228"},
		{"02-29", "20290228", "2028-2029", "20280229", "20290228"},
		{"02-29", "20290301", "2029-2030", "20290301", "20300228"},
	} {
		y, err := yearOf(tt.starts, date(tt.day))
		if err != nil {
			t.Fatal(err)
		}
		if y.folder() != tt.folder || day(y.start) != tt.first || day(y.end) != tt.last {
			t.Errorf("%s in years from %s: %s, %s to %s", tt.day, tt.starts, y.folder(), day(y.start), day(y.end))
		}
	}
	// Every day is in one year, and that year is the same for all its days.
	for _, starts := range []string{"01-01", "02-29", "03-01", "09-01", "12-31"} {
		for d := date("20230101"); d.Before(date("20330101")); d = d.AddDate(0, 0, 1) {
			y := must(yearOf(starts, d))
			next := must(yearOf(starts, y.end.AddDate(0, 0, 1)))
			if d.Before(y.start) || d.After(y.end) || !next.start.Equal(y.end.AddDate(0, 0, 1)) || must(yearOf(starts, y.start)) != y {
				t.Fatalf("years from %s: %s is in %v, then %v", starts, day(d), y, next)
			}
		}
	}
	for _, s := range []string{"1", "13-01", "02-30", "2026-01-01"} {
		if _, err := yearOf(s, now); err == nil {
			t.Errorf("%q is a start of a fiscal year", s)
		}
	}
}

func TestPrepareSplitsByFiscalYear(t *testing.T) {
	g := target(t)
	g.FiscalYear = "09-01"
	vs := []load.Voucher{voucher("d", "20260901", 4), voucher("b", "20260831", 2), voucher("a", "20260831", 1), voucher("c", "20260101", 3)}
	got, err := g.Prepare(vs, now)
	if err != nil {
		t.Fatal(err)
	}
	want := []load.Batch{
		{Name: "2025-2026/20260331T223015Z-", Vouchers: []load.Voucher{vs[3], vs[2], vs[1]}},
		{Name: "2026-2027/20260331T223015Z-", Vouchers: []load.Voucher{vs[0]}},
	}
	short := append([]load.Batch{}, got...)
	for i, b := range short {
		short[i].Name = b.Name[:len(b.Name)-len("0123456789ab.si")]
	}
	if diff := cmp.Diff(want, short); diff != "" {
		t.Errorf("Prepare() mismatch (-want +got):\n%s", diff)
	}
	if _, err := os.Stat(g.Dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Prepare wrote: %v", err)
	}

	// The same vouchers in another order, at the same second in another zone.
	vs[0], vs[1], vs[2], vs[3] = vs[2], vs[3], vs[0], vs[1]
	again := must(g.Prepare(vs, now.UTC()))
	if diff := cmp.Diff(got, again); diff != "" {
		t.Errorf("again (-want +got):\n%s", diff)
	}
	vs[0].Rows[0].Text += "x"
	if other := must(g.Prepare(vs, now)); other[0].Name == got[0].Name || other[1].Name != got[1].Name {
		t.Errorf("another text: %s, %s", other[0].Name, other[1].Name)
	}
	if bs, err := g.Prepare(nil, now); bs != nil || err != nil {
		t.Errorf("no vouchers: %v %v", bs, err)
	}
}

func TestPrepareRefusesWhatPostWould(t *testing.T) {
	off := voucher("a", "20260331", 100)
	off.Rows[0].Amount = 101
	account := voucher("a", "20260331", 100)
	account.Rows[0].Account = 0
	account.Rows[1].Account = -3
	for _, tt := range []struct {
		name string
		vs   []load.Voucher
		want string
	}{
		{"out of balance", []load.Voucher{off}, "sie: refused: voucher 1 (a): rows sum to 1 minor units, not zero"},
		{"no ID", []load.Voucher{voucher("", "20260331", 1)}, "sie: refused: voucher 1: no ID"},
		{"an ID twice", []load.Voucher{voucher("a", "20260331", 1), voucher("a", "20270331", 1)}, "sie: refused: voucher 2 (a): its ID is used twice"},
		{"an ID with blanks", []load.Voucher{voucher("a b", "20260331", 1)}, `sie: refused: voucher 1 (a b): ID "a b"`},
		{"an account", []load.Voucher{account}, `sie: refused: voucher 1 (a): account "-3" is not a number`},
		{"no date", []load.Voucher{{ID: "a", Rows: off.Rows}}, "sie: refused: voucher 1 (a): no date"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := target(t)
			bs, err := g.Prepare(tt.vs, now)
			if !errors.Is(err, ErrRefused) || bs != nil {
				t.Fatalf("batches %v, error %v", bs, err)
			}
			if err.Error() != tt.want {
				t.Errorf("error\n%v\nwant\n%s", err, tt.want)
			}
		})
	}
}

func TestPostThenFind(t *testing.T) {
	ctx := context.Background()
	g := target(t)
	var warned []string
	g.Warn = func(w Warning) { warned = append(warned, w.Where+" "+string(w.Rune)) }
	b := prepareOne(t, g, voucher("b2", "20260331", 200), voucher("a1", "20260331", 100), voucher("c3", "20260330", 300))
	if _, err := g.Find(ctx, b.Name); !errors.Is(err, load.ErrUnknown) {
		t.Errorf("before Post: %v", err)
	}
	got, err := g.Post(ctx, b, now)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 3, 31, 22, 30, 15, 0, time.UTC)
	var want []load.Receipt
	for i, id := range []string{"c3", "a1", "b2"} {
		want = append(want, load.Receipt{VoucherID: id, Number: fmt.Sprintf("%s#%d", b.Name, i+1), At: at})
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Post() mismatch (-want +got):\n%s", diff)
	}
	found, err := g.Find(ctx, b.Name)
	if diff := cmp.Diff(want, found); diff != "" || err != nil {
		t.Errorf("Find() error %v, mismatch (-want +got):\n%s", err, diff)
	}
	if len(warned) != 9 || warned[0] != "voucher 1 (c3) –" || warned[1] != "voucher 1 (c3) row 1 Ł" {
		t.Errorf("warnings %q", warned)
	}

	f := must(Read(must(os.Open(filepath.Join(g.Dir, filepath.FromSlash(b.Name))))))
	forgetLines(f.Vouchers)
	wantFile := &File{Program: "kvitt", Version: "1.0", Generated: date("20260401"), Type: 4, Company: "Exempel AB",
		OrgNumber: "556000-0167", Currency: "SEK", Charset: CP437, Years: []Year{{0, date("20260101"), date("20261231")}},
		Accounts: []Account{{Number: "1585", Name: "Name of 1585"}, {Number: "3001", Name: "Name of 3001"}},
		Checksum: f.Checksum}
	for _, v := range []struct {
		id, day, amount string
	}{{"c3", "20260330", "3.00"}, {"a1", "20260331", "1.00"}, {"b2", "20260331", "2.00"}} {
		m := must(ledger.ParseMinor(v.amount, 2))
		wantFile.Vouchers = append(wantFile.Vouchers, Voucher{ID: v.id, Series: "K", Date: date(v.day), Text: "Klarna leverans - " + v.day,
			RegDate: date("20260401"), Rows: []Row{{Account: "1585", Amount: m, Text: "Lódz"}, {Account: "3001", Amount: -m, Text: "25 %"}}})
	}
	if diff := cmp.Diff(wantFile, f); diff != "" {
		t.Errorf("file mismatch (-want +got):\n%s", diff)
	}

	entries := must(os.ReadDir(filepath.Join(g.Dir, "2026")))
	if len(entries) != 1 || entries[0].Name() != filepath.Base(b.Name) {
		t.Errorf("folder holds %v", entries)
	}
}

// Posting again, later, writes nothing and answers the same, also when the ledger has
// set the flag.
func TestPostTwiceIsPostOnce(t *testing.T) {
	ctx := context.Background()
	g := target(t)
	b := prepareOne(t, g, voucher("a1", "20260331", 100))
	first := must(g.Post(ctx, b, now))
	path := filepath.Join(g.Dir, filepath.FromSlash(b.Name))
	for _, flag := range []string{"#FLAGGA 0", "#FLAGGA 1"} {
		was := must(os.ReadFile(path))
		was = append([]byte(flag), was[len(flag):]...)
		if err := os.WriteFile(path, was, 0o640); err != nil {
			t.Fatal(err)
		}
		again, err := g.Post(ctx, b, now.Add(6*time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("Post() mismatch (-want +got):\n%s", diff)
		}
		if !bytes.Equal(was, must(os.ReadFile(path))) {
			t.Error("the file was written again")
		}
		if found, err := g.Find(ctx, b.Name); err != nil || len(found) != 1 {
			t.Errorf("Find() %v %v", found, err)
		}
	}
}

func TestPostNeverOverwrites(t *testing.T) {
	g := target(t)
	b := prepareOne(t, g, voucher("a1", "20260331", 100))
	path := filepath.Join(g.Dir, filepath.FromSlash(b.Name))
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#FLAGGA 0\r\n"), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := g.Post(context.Background(), b, now); !errors.Is(err, fs.ErrExist) {
		t.Errorf("Post() error %v", err)
	}
	// Somebody else was faster between the look and the link.
	tmp := filepath.Join(filepath.Dir(path), "tmp")
	if err := os.WriteFile(tmp, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := publish(os.Link, tmp, path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("publish() error %v", err)
	}
	if got := string(must(os.ReadFile(path))); got != "#FLAGGA 0\r\n" {
		t.Errorf("file %q", got)
	}
}

// A broken file system stands in for a full disk.
type fullDisk struct {
	*os.File
	at string
}

func (f fullDisk) Write(b []byte) (int, error) {
	if f.at == "write" {
		n, _ := f.File.Write(b[:len(b)/2])
		return n, &fs.PathError{Op: "write", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return f.File.Write(b)
}

func (f fullDisk) Sync() error {
	if f.at == "sync" {
		return &fs.PathError{Op: "sync", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return f.File.Sync()
}

func (f fullDisk) Close() error {
	err := f.File.Close()
	if f.at == "close" {
		return &fs.PathError{Op: "close", Path: f.Name(), Err: syscall.ENOSPC}
	}
	return err
}

func TestFullDiskLeavesNothing(t *testing.T) {
	ctx := context.Background()
	for _, at := range []string{"create", "write", "sync", "close"} {
		t.Run(at, func(t *testing.T) {
			g := target(t)
			b := prepareOne(t, g, voucher("a1", "20260331", 100))
			g.create = func(dir, pattern string) (tempFile, error) {
				if at == "create" {
					return nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOSPC}
				}
				f, err := os.CreateTemp(dir, pattern)
				return fullDisk{f, at}, err
			}
			_, err := g.Post(ctx, b, now)
			if !errors.Is(err, syscall.ENOSPC) || !strings.HasPrefix(err.Error(), "sie: post "+b.Name+": ") {
				t.Fatalf("Post() error %v", err)
			}
			if entries := must(os.ReadDir(filepath.Join(g.Dir, "2026"))); len(entries) != 0 {
				t.Errorf("left behind: %v", entries)
			}
			if _, err := g.Find(ctx, b.Name); !errors.Is(err, load.ErrUnknown) {
				t.Errorf("Find() error %v", err)
			}
			g.create = nil
			if _, err := g.Post(ctx, b, now); err != nil {
				t.Errorf("with room again: %v", err)
			}
		})
	}
}

func TestPostRefusesAnotherBatchsName(t *testing.T) {
	ctx := context.Background()
	g := target(t)
	b := prepareOne(t, g, voucher("a1", "20260331", 100))
	for _, tt := range []struct {
		name  string
		batch load.Batch
	}{
		{"other vouchers", load.Batch{Name: b.Name, Vouchers: []load.Voucher{voucher("a1", "20260331", 101)}}},
		{"another year", load.Batch{Name: strings.Replace(b.Name, "2026/", "2027/", 1), Vouchers: b.Vouchers}},
		{"two years", load.Batch{Name: b.Name, Vouchers: []load.Voucher{voucher("a1", "20260331", 100), voucher("b", "20270331", 100)}}},
		{"no vouchers", load.Batch{Name: b.Name}},
		{"a path out of the folder", load.Batch{Name: "../" + b.Name, Vouchers: b.Vouchers}},
		{"no name", load.Batch{Vouchers: b.Vouchers}},
	} {
		if rs, err := g.Post(ctx, tt.batch, now); err == nil {
			t.Errorf("%s: posted %v", tt.name, rs)
		}
	}
	if all, err := ReadDir(filepath.Dir(g.Dir)); err != nil || len(all) != 0 {
		t.Errorf("written: %v %v", all, err)
	}
	done, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := g.Post(done, b, now); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	if _, err := g.Find(done, b.Name); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	for _, s := range []string{"", "no-such-batch", "../../etc/passwd", "2026/20261331T223015Z-0123456789ab.si"} {
		if _, err := g.Find(ctx, s); !errors.Is(err, load.ErrUnknown) {
			t.Errorf("Find(%q) error %v", s, err)
		}
	}
}

func TestReadDir(t *testing.T) {
	ctx := context.Background()
	g := target(t)
	if all, err := ReadDir(g.Dir); all != nil || err != nil {
		t.Errorf("before the first post: %v %v", all, err)
	}
	g.FiscalYear = "07-01"
	bs := must(g.Prepare([]load.Voucher{voucher("a1", "20260630", 100), voucher("b2", "20260701", 200)}, now))
	for _, b := range bs {
		if _, err := g.Post(ctx, b, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(g.Dir, ".x.si.1.tmp"), []byte("left by a crash"), 0o640); err != nil {
		t.Fatal(err)
	}
	all, err := ReadDir(g.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range all {
		for _, v := range s.File.Vouchers {
			got = append(got, fmt.Sprintf("%v %s %s %d %v", s.Name == bs[len(got)].Name, s.File.Checksum.State, v.ID, v.Sum(), s.Err))
		}
	}
	if diff := cmp.Diff([]string{"true ok a1 0 <nil>", "true ok b2 0 <nil>"}, got); diff != "" {
		t.Errorf("ReadDir() mismatch (-want +got):\n%s", diff)
	}
}

// Whatever is done to a file, except setting its flag, is found.
func TestAlteredFilesAreFound(t *testing.T) {
	ctx := context.Background()
	fit := func(b []byte) []byte { // makes the checksum fit again
		lines := strings.SplitAfter(string(b), "\r\n")
		f, _ := Read(bytes.NewReader(b))
		return []byte(strings.Join(lines[:len(lines)-2], "") + fmt.Sprintf("#KSUMMA %d\r\n", f.Checksum.Computed))
	}
	replace := func(old, new string) func([]byte) []byte {
		return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
	}
	for _, tt := range []struct {
		name string
		edit func([]byte) []byte
		want error
	}{
		{"an amount", replace("1585 {} 1.00", "1585 {} 2.00"), ErrChecksum},
		{"an account", replace("#TRANS 3001", "#TRANS 3002"), ErrChecksum},
		{"a name of an account", replace("Name of 3001", "Name of 3002"), ErrChecksum},
		{"an account, sum made to fit", func(b []byte) []byte { return fit(replace("#TRANS 3001", "#TRANS 3002")(b)) }, ErrAltered},
		{"a date, sum made to fit", func(b []byte) []byte { return fit(replace("20260331 \"Kl", "20260330 \"Kl")(b)) }, ErrAltered},
		{"an ID removed, sum made to fit", func(b []byte) []byte { return fit(replace(" [kv a1]", "")(b)) }, ErrAltered},
		{"out of balance, sum made to fit", func(b []byte) []byte { return fit(replace("1585 {} 1.00", "1585 {} 2.00")(b)) }, ErrAltered},
		{"the end", func(b []byte) []byte { return b[:len(b)-20] }, ErrTruncated},
		{"all of it", func([]byte) []byte { return nil }, ErrSyntax},
		{"another voucher after the sum", func(b []byte) []byte {
			return append(b, "#VER K \"\" 20260331 \"x [kv z]\"\r\n{\r\n}\r\n"...)
		}, ErrAltered},
		{"the sum", func(b []byte) []byte {
			return replace("#KSUMMA\r\n", "")(b[:bytes.LastIndex(b, []byte("#KSUMMA"))])
		}, ErrAltered},
		{"the flag only", replace("#FLAGGA 0", "#FLAGGA 1"), nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			g := target(t)
			b := prepareOne(t, g, voucher("a1", "20260331", 100))
			if _, err := g.Post(ctx, b, now); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(g.Dir, filepath.FromSlash(b.Name))
			was := must(os.ReadFile(path))
			is := tt.edit(bytes.Clone(was))
			if bytes.Equal(was, is) {
				t.Fatal("nothing edited")
			}
			if err := os.WriteFile(path, is, 0o640); err != nil {
				t.Fatal(err)
			}
			if _, err := g.Find(ctx, b.Name); !errors.Is(err, tt.want) || errors.Is(err, load.ErrUnknown) {
				t.Errorf("Find() error %v, want %v", err, tt.want)
			}
			all, err := ReadDir(g.Dir)
			if err != nil || len(all) != 1 || !errors.Is(all[0].Err, tt.want) {
				t.Errorf("ReadDir() %+v %v", all, err)
			}
		})
	}
	t.Run("moved to another year", func(t *testing.T) {
		g := target(t)
		b := prepareOne(t, g, voucher("a1", "20260331", 100))
		must(g.Post(ctx, b, now))
		if err := os.Rename(filepath.Join(g.Dir, "2026"), filepath.Join(g.Dir, "2027")); err != nil {
			t.Fatal(err)
		}
		if all := must(ReadDir(g.Dir)); len(all) != 1 || !errors.Is(all[0].Err, ErrAltered) {
			t.Errorf("ReadDir() %+v", all)
		}
	})
}

// What stands in the way of the folder is an error, never a lost file.
func TestPostWithoutAFolder(t *testing.T) {
	g := target(t)
	b := prepareOne(t, g, voucher("a1", "20260331", 100))
	if err := os.WriteFile(filepath.Dir(filepath.Dir(g.Dir))+"/data", nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if rs, err := g.Post(context.Background(), b, now); err == nil {
		t.Errorf("posted %v", rs)
	}
}

// Where the file system knows no links, the file is renamed into place.
func TestPublishWithoutLinks(t *testing.T) {
	noLinks := func(string, string) error { return &os.LinkError{Op: "link", Err: errors.ErrUnsupported} }
	dir := t.TempDir()
	tmp, path := filepath.Join(dir, "tmp"), filepath.Join(dir, "path")
	for _, want := range []error{nil, fs.ErrExist} {
		if err := os.WriteFile(tmp, []byte(fmt.Sprint(want)), 0o640); err != nil {
			t.Fatal(err)
		}
		if err := publish(noLinks, tmp, path); !errors.Is(err, want) {
			t.Errorf("publish() error %v, want %v", err, want)
		}
	}
	if got := string(must(os.ReadFile(path))); got != "<nil>" {
		t.Errorf("the second replaced the first: %q", got)
	}
}
