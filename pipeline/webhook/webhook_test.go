package webhook_test

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/extract/adyen"
	"github.com/kvitt/kvitt/extract/centra"
	"github.com/kvitt/kvitt/extract/mollie"
	"github.com/kvitt/kvitt/extract/qliro"
	"github.com/kvitt/kvitt/extract/shopify"
	"github.com/kvitt/kvitt/extract/svea"
	"github.com/kvitt/kvitt/extract/woocommerce"
	"github.com/kvitt/kvitt/pipeline/webhook"
)

var now = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

type receiver struct {
	url    string
	dir    string
	queue  *webhook.Queue
	mu     sync.Mutex
	counts map[string]int
	log    bytes.Buffer
}

func (r *receiver) count(result string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.counts[result]
}

type lockedWriter struct{ r *receiver }

func (w lockedWriter) Write(b []byte) (int, error) {
	w.r.mu.Lock()
	defer w.r.mu.Unlock()
	return w.r.log.Write(b)
}

func start(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{counts: map[string]int{}, dir: t.TempDir()}
	log := slog.New(slog.NewTextHandler(lockedWriter{r}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	q, err := webhook.OpenQueue(r.dir, log)
	if err != nil {
		t.Fatal(err)
	}
	r.queue = q
	src := func(name string, c extract.Source, keys map[string]string, secrets ...string) webhook.Source {
		return webhook.Source{Name: name, Connector: c, Config: extract.Config{Name: name, Keys: keys}, Secrets: secrets}
	}
	h := webhook.New(webhook.Options{
		Queue: q, Log: log, Now: func() time.Time { return now }, BehindProxy: true,
		Count: func(_, result string) { r.mu.Lock(); r.counts[result]++; r.mu.Unlock() },
		Sources: []webhook.Source{
			src("woo", woocommerce.Source(), map[string]string{"webhook_secret": "new-secret, old-secret"}),
			src("shopify", shopify.Source(), map[string]string{"webhook_secret": "app", "shop": "exempel.myshopify.com"}),
			src("centra", centra.Source(), map[string]string{"webhook_secret": "c1,c2"}),
			src("mollie", mollie.Source(), map[string]string{"webhook_secret": "m1,m2"}, "m1", "m2"),
			src("qliro", qliro.Source(), nil, "in-the-url", "its-successor"),
			src("svea", svea.Source(), nil, "svea-secret"),
			src("open", svea.Source(), nil),
			src("adyen-python", adyen.Source(), map[string]string{"hmac_key": "44782DEF547AAA06C910C43932B1EB0C71FC68D9D0C057550C48EC2ACF6BA056"}),
			src("adyen-java", adyen.Source(), map[string]string{"hmac_key": "9064450A8892A093D9E97EFCC9639DE31B74F3A7803135555A3C96F5A57915D6"}),
		},
	})
	srv := httptest.NewServer(h)
	t.Cleanup(func() { srv.Close(); q.Close() })
	r.url = srv.URL
	return r
}

func mac(key, text string) []byte {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(text))
	return m.Sum(nil)
}

func (r *receiver) post(t *testing.T, path, body string, header ...string) (int, string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, r.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

func (r *receiver) waiting() []string {
	var out []string
	for _, h := range r.queue.Take(now.Add(time.Hour), 1_000_000).Hints {
		out = append(out, fmt.Sprintf("%s %s %s", h.Source, h.Stream, h.ID))
	}
	return out
}

func woo(id, secret string) (body string, header []string) {
	body = fmt.Sprintf(`{"id": %s, "total": "99999.00", "billing": {"first_name": "Vera", "email": "vera@exempel.se"}}`, id)
	return body, []string{"X-WC-Webhook-Topic", "order.updated", "X-WC-Webhook-Signature", base64.StdEncoding.EncodeToString(mac(secret, body))}
}

func centraCall(secret string, at time.Time) (body string, header []string) {
	body = "payload=" + url.QueryEscape(`{"events":[{"type":"order","action":"update","id":2735}]}`)
	stamp := fmt.Sprint(at.Unix())
	return body, []string{"X-Centra-Signature", "t=" + stamp + ",v1=" + hex.EncodeToString(mac(secret, stamp+"."+body))}
}

func TestWhatIsBelievedAndWhatIsAnswered(t *testing.T) {
	event := `{"resource":"event","id":"event_3","type":"payment.paid","entityId":"tr_7"}`
	signed := func(s string) []string {
		return []string{"Content-Type", "application/json", "X-Mollie-Signature", "sha256=" + hex.EncodeToString(mac(s, event))}
	}
	form := []string{"Content-Type", "application/x-www-form-urlencoded"}
	newWoo, newHeader := woo("11", "new-secret")
	oldWoo, oldHeader := woo("12", "old-secret")
	badWoo, badHeader := woo("13", "another")
	centra1, h1 := centraCall("c2", now.Add(-time.Minute))
	centraOld, hOld := centraCall("c1", now.Add(-2*time.Hour))
	shop := `{"id": 820982911946154508, "email": "vera@exempel.se"}`
	shopHeader := []string{"X-Shopify-Topic", "orders/updated", "X-Shopify-Shop-Domain", "exempel.myshopify.com", "X-Shopify-Hmac-Sha256", base64.StdEncoding.EncodeToString(mac("app", shop))}
	qliroBody := `{"OrderId": 4711, "Status": "Completed"}`
	for _, tt := range []struct {
		name, path, body string
		header           []string
		code             int
		answer           string
		want             []string
	}{
		{"a shop's order", "/hooks/woo", newWoo, newHeader, 200, "", []string{"woo orders 11"}},
		{"by the secret that is being replaced", "/hooks/woo", oldWoo, oldHeader, 200, "", []string{"woo orders 12"}},
		{"by another", "/hooks/woo", badWoo, badHeader, 401, "Unauthorized\n", nil},
		{"another body", "/hooks/woo", newWoo + " ", newHeader, 401, "Unauthorized\n", nil},
		{"a ping", "/hooks/woo", "webhook_id=7", form, 200, "", nil},
		{"Shopify", "/hooks/shopify", shop, shopHeader, 200, "", []string{"shopify orders 820982911946154508"}},
		{"Shopify, forged", "/hooks/shopify", strings.Replace(shop, "8", "9", 1), shopHeader, 401, "Unauthorized\n", nil},
		{"Centra, by the second secret", "/hooks/centra", centra1, h1, 200, "ok", []string{"centra orders 2735"}},
		{"Centra, replayed", "/hooks/centra", centraOld, hOld, 401, "Unauthorized\n", nil},
		{"Mollie, classic, no secret", "/hooks/mollie", "id=tr_1", form, 401, "Unauthorized\n", nil},
		{"Mollie, classic, a wrong one", "/hooks/mollie?secret=m3", "id=tr_1", form, 401, "Unauthorized\n", nil},
		{"Mollie, classic", "/hooks/mollie?secret=m2", "id=tr_1", form, 200, "", []string{"mollie payments tr_1"}},
		{"Mollie, an event proves itself", "/hooks/mollie", event, signed("m1"), 200, "", []string{"mollie payments tr_7"}},
		{"Mollie, a forged event with the secret in the URL", "/hooks/mollie?secret=m1", event, signed("m3"), 401, "Unauthorized\n", nil},
		{"Qliro", "/hooks/qliro/in-the-url", qliroBody, nil, 200, `{"CallbackResponse":"received"}`, []string{"qliro orders 4711"}},
		{"Qliro, the new secret", "/hooks/qliro?token=its-successor", qliroBody, nil, 200, `{"CallbackResponse":"received"}`, []string{"qliro orders 4711"}},
		{"Qliro, a wrong secret", "/hooks/qliro/in-the-url2", qliroBody, nil, 401, "Unauthorized\n", nil},
		{"Qliro, both secrets as they are written", "/hooks/qliro/in-the-url,its-successor", qliroBody, nil, 401, "Unauthorized\n", nil},
		{"Qliro, nothing that is read", "/hooks/qliro/in-the-url", `{"OrderId": "../x"}`, nil, 400, "Bad Request\n", nil},
		{"Svea", "/hooks/svea/svea-secret?svea_order=https%3A%2F%2Fx%2Forders%2F99", "", nil, 200, "", []string{"svea orders 99"}},
		{"no secret is set", "/hooks/open/", `{"CheckoutOrderId": 1}`, nil, 404, "404 page not found\n", nil},
		{"no secret is set, an empty one", "/hooks/open?secret=", `{"EventName":"x","CheckoutOrderId": 1}`, nil, 401, "Unauthorized\n", nil},
		{"nobody", "/hooks/nobody", "", nil, 404, "Not Found\n", nil},
		{"a path that climbs", "/hooks/..%2fwoo", newWoo, newHeader, 404, "Not Found\n", nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := start(t)
			code, answer := r.post(t, tt.path, tt.body, tt.header...)
			if code != tt.code || answer != tt.answer {
				t.Errorf("answer %d %q, want %d %q", code, answer, tt.code, tt.answer)
			}
			if diff := cmp.Diff(tt.want, r.waiting()); diff != "" {
				t.Errorf("waiting (-want +got):\n%s\n%s", diff, r.log.String())
			}
			for _, secret := range []string{"Vera", "vera@", "in-the-url", "m1", "new-secret", "svea-secret", "99999"} {
				if strings.Contains(r.log.String(), secret) {
					t.Errorf("the log says %q: %s", secret, r.log.String())
				}
			}
			if b, _ := os.ReadFile(filepath.Join(r.dir, "queue")); bytes.Contains(b, []byte("in-the-url")) {
				t.Error("the secret is on disk")
			}
		})
	}
}

// The vectors that Adyen's own libraries publish, through the handler: believed and answered as Adyen wants it, and
// with one thing changed refused and kept nowhere.
func TestAdyensPublishedSignatures(t *testing.T) {
	r := start(t)
	for _, tt := range []struct{ source, psp, account, reference, event, value, signature string }{
		{"adyen-python", "7914073381342284", "TestMerchant", "TestPayment-1407325143704", "AUTHORISATION", "1130", "coqCmt/IZ4E3CzPvMY8zTjQVL5hYJUiBRg8UU+iCWo0="},
		{"adyen-java", "test_REPORT_AVAILABLE", "Magento2Rik", "testMerchantRef1", "REPORT_AVAILABLE", "0", "NuEkADFmlCC6VgX+wcoPAegIWxVPNBPCuKlM4Hzo5qc="},
	} {
		body := fmt.Sprintf(`{"live":"false","notificationItems":[{"NotificationRequestItem":{"additionalData":{"hmacSignature":%q},"amount":{"currency":"EUR","value":%s},
			"eventCode":%q,"merchantAccountCode":%q,"merchantReference":%q,"pspReference":%q,"success":"true","reason":"whatever"}}]}`,
			tt.signature, tt.value, tt.event, tt.account, tt.reference, tt.psp)
		if code, answer := r.post(t, "/hooks/"+tt.source, body, "Content-Type", "application/json"); code != http.StatusOK || answer != "[accepted]" {
			t.Errorf("%s: %d %q", tt.source, code, answer)
		}
		for what, forged := range map[string]string{
			"another amount": strings.Replace(body, `"value":`+tt.value, `"value":9`+tt.value, 1), "another account": strings.Replace(body, tt.account, tt.account+"X", 1),
			"another event": strings.Replace(body, tt.event, "REFUND", 1), "no signature": strings.Replace(body, "hmacSignature", "hmac", 1),
		} {
			if code, answer := r.post(t, "/hooks/"+tt.source, forged, "Content-Type", "application/json", "X-Forwarded-For", "203.0.113."+fmt.Sprint(len(what))); code != http.StatusUnauthorized || strings.Contains(answer, "accepted") {
				t.Errorf("%s, %s: %d %q", tt.source, what, code, answer)
			}
		}
		other := map[string]string{"adyen-python": "adyen-java", "adyen-java": "adyen-python"}[tt.source]
		if code, _ := r.post(t, "/hooks/"+other, body, "Content-Type", "application/json", "X-Forwarded-For", "203.0.113.99"); code != http.StatusUnauthorized {
			t.Errorf("%s by the key of %s: %d", tt.source, other, code)
		}
	}
	if w := r.waiting(); len(w) != 0 {
		t.Errorf("none of them names a report of ours, and %v waits", w)
	}
}

func TestOtherMethodsAreRefused(t *testing.T) {
	r := start(t)
	for _, m := range []string{"GET", "PUT", "DELETE", "OPTIONS"} {
		req, _ := http.NewRequest(m, r.url+"/hooks/woo", nil)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusMethodNotAllowed {
			t.Errorf("%s: %d", m, res.StatusCode)
		}
	}
}

func TestTooLargeIsRefusedStatedOrNot(t *testing.T) {
	r := start(t)
	large := strings.Repeat("x", 3<<20)
	req, _ := http.NewRequest("POST", r.url+"/hooks/woo", struct{ io.Reader }{strings.NewReader(large)}) // chunked
	for i := range 2 {
		if i == 1 {
			req, _ = http.NewRequest("POST", r.url+"/hooks/woo", strings.NewReader(large))
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			continue // the connection was closed on it
		}
		res.Body.Close()
		if res.StatusCode != http.StatusRequestEntityTooLarge {
			t.Errorf("%d", res.StatusCode)
		}
	}
	if n := r.count(webhook.TooLarge); n != 2 || r.queue.Len() != 0 {
		t.Errorf("%d counted as too large, %d waiting", n, r.queue.Len())
	}
}

func TestASlowCallerIsNotWaitedFor(t *testing.T) {
	if testing.Short() {
		t.Skip("takes ten seconds")
	}
	t.Parallel()
	r := start(t)
	c, err := net.Dial("tcp", strings.TrimPrefix(r.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /hooks/woo HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
	began := time.Now()
	_ = c.SetReadDeadline(began.Add(30 * time.Second))
	b := make([]byte, 200)
	n, _ := c.Read(b)
	if !strings.HasPrefix(string(b[:n]), "HTTP/1.1 408") || time.Since(began) > 20*time.Second {
		t.Errorf("after %v: %q", time.Since(began), b[:n])
	}
	if r.count(webhook.TooSlow) != 1 {
		t.Error("it was not counted")
	}
	// Others were served meanwhile, and are still.
	body, header := woo("1", "new-secret")
	if code, _ := r.post(t, "/hooks/woo", body, header...); code != 200 {
		t.Errorf("%d", code)
	}
}

// A forger is cut off; others are not, from the same provider neither.
func TestAForgerIsCutOffAndNobodyElse(t *testing.T) {
	r := start(t)
	limited := 0
	for range 100 {
		code, _ := r.post(t, "/hooks/qliro/guess", `{"OrderId": 1}`, "X-Forwarded-For", "10.0.0.1, 203.0.113.9")
		if code == http.StatusTooManyRequests {
			limited++
		}
	}
	if limited < 30 {
		t.Errorf("of 100 guesses %d were limited", limited)
	}
	body, header := woo("1", "new-secret")
	if code, _ := r.post(t, "/hooks/woo", body, append(header, "X-Forwarded-For", "198.51.100.4")...); code != 200 {
		t.Errorf("another caller: %d", code)
	}
	if code, _ := r.post(t, "/hooks/woo", body, append(header, "X-Forwarded-For", "203.0.113.9")...); code != http.StatusTooManyRequests {
		t.Errorf("the forger: %d", code)
	}
}

// Ten thousand calls, with forged, duplicated and disordered ones among them, while batches are being taken:
// every genuine one was fetched or is waiting, none twice, and memory stays flat.
func TestABurstLosesNothing(t *testing.T) {
	n, senders := 10_000, 50
	if testing.Short() {
		n = 2000
	}
	r := start(t)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: senders}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	var wg sync.WaitGroup
	for s := range senders {
		wg.Go(func() {
			for i := s; i < n; i += senders {
				secret := "new-secret"
				if i%10 == 3 {
					secret = "forged"
				}
				body, header := woo(fmt.Sprint(i-i%2+1), secret) // every order twice
				req, _ := http.NewRequest("POST", r.url+"/hooks/woo", strings.NewReader(body))
				req.Header.Set(header[0], header[1])
				req.Header.Set(header[2], header[3])
				req.Header.Set("X-Forwarded-For", fmt.Sprintf("10.1.%d.%d", i/200, i%200))
				res, err := client.Do(req)
				if err != nil {
					t.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
				if want := map[bool]int{true: 200, false: 401}[secret == "new-secret"]; res.StatusCode != want {
					t.Errorf("call %d: %d, want %d", i, res.StatusCode, want)
				}
			}
		})
	}
	done := make(chan struct{})
	fetched := map[string]bool{}
	go func() {
		defer close(done)
		for range 10 {
			b := r.queue.Take(now, 300)
			for _, h := range b.Hints {
				fetched[h.ID] = true
			}
			time.Sleep(20 * time.Millisecond) // the run
			if err := r.queue.Done(b, nil, now); err != nil {
				t.Error(err)
			}
		}
	}()
	wg.Wait()
	<-done
	t.Logf("%d calls in %v", n, time.Since(began))
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 32<<20 {
		t.Errorf("%d MB more in use", grown>>20)
	}
	rest := r.queue.Take(now.Add(time.Hour), 1_000_000).Hints
	seen := map[string]bool{}
	for _, h := range rest {
		if seen[h.ID] {
			t.Errorf("%s waits twice", h.ID)
		}
		seen[h.ID] = true
		fetched[h.ID] = true
	}
	if len(fetched) != n/2 {
		t.Errorf("%d orders were fetched or wait, want %d", len(fetched), n/2)
	}
}
