package sie

import (
	"bytes"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/ledger"
)

const samples = "../../../shared/data/sie"

// sampleFiles returns the SIE files in folder of the sample set, by name.
func sampleFiles(t testing.TB, folder string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(samples, folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, e := range entries {
		if ext := strings.ToLower(filepath.Ext(e.Name())); ext != ".se" && ext != ".si" {
			continue
		}
		b, err := os.ReadFile(filepath.Join(samples, folder, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[e.Name()] = b
	}
	return files
}

// vendorFiles returns the exports of SIE-Gruppen's and SIEParser's test sets: real
// programs' work, none of it broken on purpose.
func vendorFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files := sampleFiles(t, "sie-gruppen")
	if len(files) == 0 {
		t.Skip("no sample files in " + samples)
	}
	maps.Copy(files, sampleFiles(t, "extra-mit"))
	return files
}

func TestReadsEveryVendorsFile(t *testing.T) {
	files := vendorFiles(t)
	sets := map[Charset]int{}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		f, err := Read(bytes.NewReader(files[name]))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		sets[f.Charset]++
		if f.Program == "" || f.Company == "" || f.Generated.IsZero() {
			t.Errorf("%s: program %q, company %q, generated %v", name, f.Program, f.Company, f.Generated)
		}
		for _, a := range f.Accounts {
			// Swedish in the wrong character set shows as box drawing, Greek or controls.
			if strings.ContainsAny(a.Name, "σΣ÷┼─╓├\u0084\u0086\u0094") {
				t.Errorf("%s: account %s %q", name, a.Number, a.Name)
			}
		}
	}
	t.Logf("%d files: %v", len(files), sets)
}

// Files made to be broken may fail, but not crash.
func TestReadsOtherSamples(t *testing.T) {
	n := 0
	for _, folder := range []string{"blinfo-gpl3", "sie4sdk-lgpl3"} {
		for name, b := range sampleFiles(t, folder) {
			n++
			f, err := Read(bytes.NewReader(b))
			if err == nil && f == nil {
				t.Errorf("%s: neither file nor error", name)
			}
			if err != nil {
				t.Logf("%s: %v", name, err)
			}
		}
	}
	if n == 0 {
		t.Skip("no further sample files in " + samples)
	}
}

// The sums were computed by the programs that wrote the files.
func TestChecksumOfVendorsFiles(t *testing.T) {
	files := vendorFiles(t)
	want := map[string]uint32{
		"Bokslut_Norstedts_SIE_4E.se": 854227682,
		"Norstedts_Bokslut_SIE_1.se":  3033066896,
		"Norstedts_Bokslut_SIE_4I.si": 1573150874,
		"Norstedts_Revision_SIE_1.SE": 3130188017,
		"Sie1.se":                     909685525,
		"42_sie2.se":                  2512856369,
		"43_sie3.se":                  3786156381,
		"44_sie4.se":                  2215893042,
	}
	got := map[string]uint32{}
	for name, b := range files {
		f, err := Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(name, err)
		}
		switch f.Checksum.State {
		case ChecksumOK:
			got[name] = f.Checksum.Computed
		case ChecksumNone:
		default:
			t.Errorf("%s: checksum %+v", name, f.Checksum)
		}
		if f.Checksum.Outside != 0 {
			t.Errorf("%s: %d records outside the sum", name, f.Checksum.Outside)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("sums mismatch (-want +got):\n%s", diff)
	}
}

// A file converted to UTF-8 on the way keeps its sum.
func TestChecksumAfterConversion(t *testing.T) {
	for name, b := range vendorFiles(t) {
		if !bytes.Contains(b, []byte("#KSUMMA")) {
			continue
		}
		f, err := Read(strings.NewReader(CP437.decode(b)))
		if err != nil || f.Charset != UTF8 || f.Checksum.State != ChecksumOK {
			t.Errorf("%s: %v %v %+v", name, err, f.Charset, f.Checksum)
		}
	}
}

// One byte of a name changed is noticed.
func TestChecksumNoticesAChange(t *testing.T) {
	for name, b := range vendorFiles(t) {
		if !bytes.Contains(b, []byte("#KSUMMA")) {
			continue
		}
		i := bytes.Index(b, []byte("#KONTO")) + len("#KONTO")
		i += bytes.IndexAny(b[i:], "0123456789")
		b[i] ^= 1
		f, err := Read(bytes.NewReader(b))
		if !errors.Is(err, ErrChecksum) || f == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Files with vouchers, and what an independent program counted in them with exact
// decimals (invariants_check.py beside the samples). For each balance account the
// vendor's closing balance is opening balance plus rows, for each result account the
// result is the rows, except for the numbers of accounts given.
func TestBalancesOfVendorsFiles(t *testing.T) {
	type counts struct {
		Vouchers, Rows, Unbalanced int
		ClosingOff, Closing        int
		ResultOff, Results         int
	}
	want := map[string]counts{
		"44_sie4.se":                            {286, 949, 0, 0, 26, 0, 27},
		"9_sie-gruppen-e-conomic.se":            {57, 160, 0, 4, 26, 4, 17},
		"BL0001_typ4.SE":                        {84, 405, 0, 0, 28, 0, 17},
		"BL0001_typ4I.SI":                       {1, 10, 0, 0, 0, 0, 0},
		"BokOrder.si":                           {1, 4, 0, 0, 0, 0, 0},
		"Bokslut_Norstedts_SIE_4E.se":           {177, 678, 0, 0, 27, 0, 63},
		"Exempelbolaget_SIE_110322_B_33.si":     {13, 91, 0, 0, 0, 0, 0},
		"FAKT.SI":                               {1, 3, 0, 0, 0, 0, 0},
		"LON_Lönekörning.SI":                    {1, 25, 0, 0, 0, 0, 0},
		"Lön.si":                                {1, 8, 0, 0, 0, 0, 0},
		"MAMUT_SIE4_EXPORT.SE":                  {168, 458, 0, 0, 10, 0, 6},
		"Norstedts_Bokslut_SIE_4I.si":           {2, 4, 0, 0, 0, 0, 0},
		"SIE4_Exempelfil_med_underdim.SE":       {295, 1330, 0, 0, 27, 0, 58},
		"SIE4_Visma_Anläggningsregister.si":     {1, 18, 0, 0, 0, 0, 0},
		"SIE_exempelfil.se":                     {26, 148, 0, 0, 38, 0, 12},
		"Sie4.se":                               {70, 260, 0, 2, 30, 1, 12},
		"Sie4.si":                               {165, 869, 0, 29, 48, 0, 0},
		"Sie_3_+_4.se":                          {2, 4, 0, 0, 2, 0, 0},
		"Test4.SE":                              {167, 1464, 0, 0, 24, 0, 40},
		"XE_SIE_4_20151125095119.SE":            {65, 248, 1, 0, 74, 0, 15},
		"live2011.se":                           {3, 12, 0, 0, 80, 0, 2},
		"magenta_bokföring_SIE4E.se":            {19, 84, 0, 0, 23, 0, 25},
		"magenta_bokföring_SIE4I.se":            {19, 84, 0, 0, 0, 0, 0},
		"si.SI":                                 {47, 128, 0, 0, 0, 0, 0},
		"sie_4.SE":                              {20, 76, 0, 0, 22, 0, 13},
		"transaktioner_ovnbolag-bad-balance.se": {163, 671, 1, 1, 33, 0, 49},
		"transaktioner_ovnbolag.se":             {163, 671, 0, 0, 33, 0, 49},
		"typ4.se":                               {81, 287, 0, 0, 26, 0, 35},
		"typ4si.si":                             {81, 287, 0, 0, 0, 0, 0},
		"urval_ovnbolag.si":                     {16, 51, 0, 0, 0, 0, 0},
	}
	got := map[string]counts{}
	whole := 0
	for name, b := range vendorFiles(t) {
		f, err := Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(name, err)
		}
		if f.Type != 4 || len(f.Vouchers) == 0 {
			continue
		}
		c := counts{Vouchers: len(f.Vouchers), Unbalanced: len(f.Unbalanced())}
		moved := map[string]ledger.Minor{}
		for _, v := range f.Vouchers {
			c.Rows += len(v.Rows)
			for _, r := range v.Rows {
				moved[r.Account] += r.Amount
			}
		}
		closing, results := ofYear0(f.Closing), ofYear0(f.Results)
		opening := ofYear0(f.Opening)
		c.Closing, c.Results = len(closing), len(results)
		if len(closing) > 0 {
			for a := range union(closing, opening) {
				if closing[a] != opening[a]+moved[a] {
					c.ClosingOff++
				}
			}
		}
		for a, result := range results {
			if result != moved[a] {
				c.ResultOff++
			}
		}
		if c.Closing > 0 && c.ClosingOff == 0 && c.ResultOff == 0 {
			whole++
		}
		got[name] = c
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts mismatch (-want +got):\n%s", diff)
	}
	t.Logf("in %d files every account's balance follows from the rows", whole)
}

func ofYear0(bs []Balance) map[string]ledger.Minor {
	m := map[string]ledger.Minor{}
	for _, b := range bs {
		if b.Year == 0 {
			m[b.Account] += b.Amount
		}
	}
	return m
}

func union(a, b map[string]ledger.Minor) map[string]ledger.Minor {
	u := maps.Clone(a)
	maps.Copy(u, b)
	return u
}

// What others wrote, written again by us, says the same: vouchers that balance survive
// with every series, number, date, text, object and amount.
func TestWritesVendorsVouchersAgain(t *testing.T) {
	total, left := 0, 0
	for name, b := range vendorFiles(t) {
		f, err := Read(bytes.NewReader(b))
		if err != nil {
			t.Fatal(name, err)
		}
		var vs []Voucher
		for _, v := range f.Vouchers {
			numbered := !slices.ContainsFunc(v.Rows, func(r Row) bool { return !isNumber(r.Account) })
			if v.Sum() == 0 && len(v.Rows) > 0 && numbered {
				vs = append(vs, v)
			} else {
				left++
			}
		}
		if len(vs) == 0 {
			continue
		}
		total += len(vs)
		d := Document{Program: "kvitt", Version: "1", Generated: f.Generated, Company: f.Company,
			OrgNumber: f.OrgNumber, Currency: f.Currency, Accounts: f.Accounts, Vouchers: vs}
		prepared, warnings, err := prepare(d)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, w := range warnings {
			// Nothing a vendor wrote in code page 437 needs another spelling.
			if f.Charset == CP437 && w.Rune > '~' {
				t.Errorf("%s: %v", name, w)
			}
		}
		again, err := Read(bytes.NewReader(render(prepared)))
		if err != nil {
			t.Fatal(name, err)
		}
		forgetLines(again.Vouchers)
		if diff := cmp.Diff(prepared.Vouchers, again.Vouchers); diff != "" {
			t.Errorf("%s: vouchers mismatch (-want +got):\n%s", name, diff)
		}
		if again.Checksum.State != ChecksumOK {
			t.Errorf("%s: checksum %+v", name, again.Checksum)
		}
	}
	// 36 have an account FEL, 3 have no rows, 2 do not balance.
	if left != 41 {
		t.Errorf("%d vouchers that may not be written, want 41", left)
	}
	t.Logf("%d vouchers written again", total)
}

// Every record of a file with a sum, quoted our way, adds up to the same sum.
func TestOurQuotingKeepsVendorsSums(t *testing.T) {
	for name, b := range vendorFiles(t) {
		rs, err := lex(b)
		if err != nil {
			t.Fatal(name, err)
		}
		c, err := verifyChecksum(rs, CP437)
		if err != nil {
			t.Fatal(name, err)
		}
		if c.State == ChecksumNone {
			continue
		}
		var out output
		for _, r := range rs {
			if r.brace != 0 {
				out.line(string(r.brace))
				continue
			}
			var cells []cell
			for _, f := range r.fields {
				v := quoted(CP437.decode(f.value))
				v.isList = f.isList
				for _, x := range f.list {
					v.list = append(v.list, CP437.decode(x))
				}
				cells = append(cells, v)
			}
			out.record(string(r.label), cells...)
		}
		again, err := Read(bytes.NewReader(out.b))
		if err != nil || again.Checksum.Computed != c.Computed {
			t.Errorf("%s: %v, sum %d, want %d", name, err, again.Checksum.Computed, c.Computed)
		}
	}
}

func forgetLines(vs []Voucher) {
	for i := range vs {
		vs[i].Line = 0
	}
}
