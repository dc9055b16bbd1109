package adyen_test

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/adyen"
	fake "github.com/kvitt/kvitt/fixtures/sandbox/adyen"
)

// weeks is a world with a small batch for each of n weeks from batch 61 on; those in skipped have no report.
func weeks(n int, skipped ...int) *fake.World {
	w := fake.New(fake.Account, 61)
	at := time.Date(2026, 3, 6, 1, 0, 0, 0, time.UTC)
	for i := range n {
		skip := false
		for _, s := range skipped {
			skip = skip || s == 61+i
		}
		if skip {
			w.Skip()
			continue
		}
		psp := "PSP" + strings.Repeat("X", 12) + string(rune('A'+i))
		w.Sell(at.AddDate(0, 0, 7*i-2), "1000"+string(rune('0'+i)), psp, "C"+psp, "visa", 10_000, 175)
		w.Settle(at.AddDate(0, 0, 7*i))
	}
	return w
}

// server serves w and counts what is asked.
type server struct {
	*httptest.Server
	mu    sync.Mutex
	paths []string
}

func serve(t *testing.T, w *fake.World, o fake.Options) *server {
	t.Helper()
	s := &server{}
	h := w.Handler(o)
	s.Server = httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		s.paths = append(s.paths, r.Method+" "+r.URL.Path)
		s.mu.Unlock()
		h.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	return s
}

// read returns what ids bring: "61" for a report, "61 gone" for one that is not there, and the errors.
func read(t *testing.T, x extract.Extractor, ids ...string) (got []string, errs []*extract.Error) {
	t.Helper()
	for b, err := range x.Extract(t.Context(), extract.Request{Stream: adyen.Reports, IDs: ids}) {
		if err != nil {
			e, ok := errors.AsType[*extract.Error](err)
			if !ok {
				t.Fatalf("%T: %v", err, err)
			}
			errs = append(errs, e)
			continue
		}
		name := strings.TrimPrefix(b.Key, fake.Account+"/")
		if b.Gone {
			name += " gone"
		} else if !bytes.HasPrefix(b.Body, []byte("Company Account,")) || b.Type != "text/csv" {
			t.Errorf("%s: %s %.40q", b.Key, b.Type, b.Body)
		}
		got = append(got, name)
	}
	return got, errs
}

func TestWhichReportsAreRead(t *testing.T) {
	march := func(day int) func() time.Time {
		return func() time.Time { return time.Date(2026, 3, day, 6, 0, 0, 0, time.UTC) }
	}
	for _, tt := range []struct {
		name  string
		world *fake.World
		o     fake.Options
		first string
		ids   []string
		want  []string
		errs  []string // what each error says
	}{
		{name: "from the first on", world: weeks(4), first: "61", ids: []string{".."}, want: []string{"61", "62", "63", "64"}},
		{name: "from a later first on", world: weeks(4), first: "63", ids: []string{".."}, want: []string{"63", "64"}},
		{name: "what follows", world: weeks(4), first: "61", ids: []string{"63.."}, want: []string{"63", "64"}},
		{name: "a batch that is not made yet", world: weeks(4), o: fake.Options{Now: march(14)}, first: "61", ids: []string{".."}, want: []string{"61", "62"}},
		{name: "one that Adyen answers 403 about", world: weeks(4), o: fake.Options{Now: march(14), NotMade: 403}, first: "61", ids: []string{".."}, want: []string{"61", "62"}},
		{name: "403 for what follows, while the last one can be read", world: weeks(4), o: fake.Options{Now: march(14), NotMade: 403}, first: "61", ids: []string{"63.."}},
		{name: "the same without HEAD", world: weeks(4), o: fake.Options{Now: march(14), NotMade: 403, NoHead: true}, first: "61", ids: []string{"63.."}},
		{name: "403 for a gap, while the last one can be read", world: weeks(5, 62), o: fake.Options{NotMade: 403}, first: "61", ids: []string{"62", "66.."}, want: []string{"62 gone"}},
		{name: "403 for everything", world: weeks(4), o: fake.Options{Now: march(1), NotMade: 403}, first: "61", ids: []string{".."}, errs: []string{"Merchant Report Download role"}},
		{name: "nothing new", world: weeks(4), first: "61", ids: []string{"65.."}},
		{name: "a number is skipped", world: weeks(6, 63, 64), first: "61", ids: []string{".."}, want: []string{"61", "62", "63 gone", "64 gone", "65", "66"}},
		{name: "the next number is skipped", world: weeks(6, 63), first: "61", ids: []string{"63.."}, want: []string{"63 gone", "64", "65", "66"}},
		{name: "nine numbers are skipped", world: weeks(12, 62, 63, 64, 65, 66, 67, 68, 69, 70), first: "61", ids: []string{".."},
			want: []string{"61", "62 gone", "63 gone", "64 gone", "65 gone", "66 gone", "67 gone", "68 gone", "69 gone", "70 gone", "71", "72"}},
		{name: "the first to read is not there", world: weeks(3, 61), first: "61", ids: []string{".."}, want: []string{"61 gone", "62", "63"}},
		{name: "nobody said which is the first", world: func() *fake.World {
			w := fake.New(fake.Account, 5)
			w.Sell(now, "1", "P", "C", "visa", 100, 1)
			w.Settle(now)
			return w
		}(), ids: []string{".."}, want: []string{"5"}},
		{name: "nobody said, and it is far away", world: weeks(3), ids: []string{".."}, errs: []string{"set first_batch"}},
		{name: "before what was read", world: weeks(4), first: "61", ids: []string{"..62", "65.."}, want: []string{"61", "62"}},
		{name: "before what was read, nobody said how far", world: weeks(4), ids: []string{"..62", "65.."}},
		{name: "nothing before what was read", world: weeks(4), first: "61", ids: []string{"..60", "65.."}},
		{name: "what was read under another account", world: weeks(2), first: "61", ids: []string{"Other/..60", "Other/75.."}, want: []string{"61", "62"}},
		{name: "own and another account", world: weeks(4), first: "61", ids: []string{"Other/75..", fake.Account + "/64.."}, want: []string{"64"}},
		{name: "a report by name", world: weeks(4), first: "61", ids: []string{fake.Account + "/settlement_detail_report_batch_62.csv"}, want: []string{"62"}},
		{name: "no report", world: weeks(4), first: "61", ids: []string{"x", "dispute_report_2026_03_01.csv", "62"}, want: []string{"62"}, errs: []string{"neither a batch number", "neither a batch number"}},
		{name: "the last one read is not there any more", world: weeks(2), first: "61", ids: []string{"81.."}, errs: []string{"check merchant_account"}},
		{name: "the first is yet to come", world: weeks(2), first: "81", ids: []string{".."}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := serve(t, tt.world, tt.o)
			got, errs := read(t, opened(t, s.URL, map[string]string{"first_batch": tt.first}), tt.ids...)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("reports (-want +got):\n%s", diff)
			}
			if len(errs) != len(tt.errs) {
				t.Fatalf("errors %v, want %q", errs, tt.errs)
			}
			for i, says := range tt.errs {
				if !strings.Contains(errs[i].Error(), says) {
					t.Errorf("error %v does not say %q", errs[i], says)
				}
			}
		})
	}
}

// One report that cannot be had does not stop the others; a server that is down stops all.
func TestAReportThatFailsAlone(t *testing.T) {
	s := serve(t, weeks(4), fake.Options{})
	base := s.Config.Handler
	s.Config.Handler = http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "_62.csv") {
			rw.WriteHeader(http.StatusBadGateway)
			return
		}
		if strings.HasSuffix(r.URL.Path, "_63.csv") { // being written
			return
		}
		base.ServeHTTP(rw, r)
	})
	got, errs := read(t, opened(t, s.URL, nil), "..")
	if diff := cmp.Diff([]string{"61", "64"}, got); diff != "" {
		t.Errorf("reports (-want +got):\n%s", diff)
	}
	if len(errs) != 2 || errs[0].Key != fake.Account+"/62" || errs[1].Key != fake.Account+"/63" || !errors.Is(errs[0], extract.ErrTransient) || !errors.Is(errs[1], extract.ErrTransient) {
		t.Errorf("errors %v, want transient ones about 62 and 63", errs)
	}
}

// Adyen locks users who try a wrong password several times: one try is enough to know.
func TestAWrongPasswordIsTriedOnce(t *testing.T) {
	s := serve(t, weeks(4), fake.Options{})
	_, errs := read(t, opened(t, s.URL, map[string]string{"report_password": "wrong"}), "61", "62", "63..")
	if len(errs) != 1 || !errors.Is(errs[0], extract.ErrAuth) || !strings.Contains(errs[0].Do, "API credentials") {
		t.Errorf("errors %v", errs)
	}
	if len(s.paths) != 1 {
		t.Errorf("asked %q", s.paths)
	}
}

// The user of another kind is told so; nothing of the password is shown.
func TestAdviceOnAWrongUser(t *testing.T) {
	s := serve(t, weeks(1), fake.Options{})
	_, errs := read(t, opened(t, s.URL, map[string]string{"report_user": "ws@Company.ExempelHandel", "report_password": "topsecret"}), "61")
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "only a report user may download reports") || strings.Contains(errs[0].Error(), "topsecret") {
		t.Errorf("errors %v", errs)
	}
}

func TestOpen(t *testing.T) {
	for _, tt := range []struct {
		name, key, value, base string
		wrong                  string
	}{
		{name: "the default host"},
		{name: "the test host", base: "https://ca-test.adyen.com/"},
		{name: "a path before Adyen's", base: "http://127.0.0.1:8080/adyen"},
		{name: "in the clear", base: "http://ca-live.adyen.com", wrong: "in the clear"},
		{name: "a query", base: "https://ca-live.adyen.com?x=1", wrong: "query"},
		{name: "a user in the address", base: "https://u:topsecret@ca-live.adyen.com", wrong: "keys of their own"},
		{name: "no account", key: "merchant_account", wrong: "merchant_account: is empty"},
		{name: "an account that is a path", key: "merchant_account", value: "A/../B", wrong: "no account's name"},
		{name: "no user", key: "report_user", wrong: "report_user: is empty"},
		{name: "a user with a colon", key: "report_user", value: "a:b", wrong: "colon"},
		{name: "no password", key: "report_password", wrong: "report_password: is empty"},
		{name: "a line break in the password", key: "report_password", value: "topsecret\n", wrong: "line break"},
		{name: "no first batch", key: "first_batch"},
		{name: "a first batch that is no number", key: "first_batch", value: "x", wrong: "no batch number"},
		{name: "one that is none", key: "first_batch", value: "0", wrong: "no batch number"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			keys := map[string]string{}
			if tt.key != "" {
				keys[tt.key] = tt.value
			}
			_, err := adyen.Open(config(tt.base, keys))
			if (err != nil) != (tt.wrong != "") {
				t.Fatalf("err = %v", err)
			}
			if err != nil && (!strings.Contains(err.Error(), tt.wrong) || strings.Contains(err.Error(), "topsecret")) {
				t.Errorf("err = %v, want %q and no secret", err, tt.wrong)
			}
		})
	}
}
