package fortnox

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kvitt/kvitt/load"
)

// recorded is a folder beside the repository with real traffic that others recorded; it is not ours to ship.
const recorded = "../../../shared/data/fortnox/accodeing-lgpl3"

func TestDecodesWhatFortnoxReallySent(t *testing.T) {
	files, _ := filepath.Glob(recorded + "/*.json")
	if len(files) == 0 {
		t.Skip("no recorded exchanges beside the repository")
	}
	seen := 0
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		var exchanges []struct {
			Request struct {
				Method, URI string
				Body        json.RawMessage
			}
			Response struct {
				Status int
				Body   json.RawMessage
			}
		}
		if err := json.Unmarshal(b, &exchanges); err != nil {
			t.Fatalf("%s: %v", f, err)
		}
		for _, x := range exchanges {
			seen++
			name := filepath.Base(f)
			if x.Response.Status/100 != 2 {
				e := readError(x.Response.Status, x.Response.Body)
				if e.Message == "" || strings.Contains(string(x.Response.Body), `ode":`) && e.Code == 0 {
					t.Errorf("%s: %+v from %s", name, e, x.Response.Body)
				}
				if !errors.Is(e, load.ErrRefused) && !errors.Is(e, load.ErrStop) {
					t.Errorf("%s: %v is neither refused nor a reason to stop", name, e)
				}
				if e.Do == "" {
					t.Errorf("%s: %v: nothing to do is said", name, e)
				}
				continue
			}
			var raw map[string]json.RawMessage
			if err := json.Unmarshal(x.Response.Body, &raw); err != nil {
				t.Errorf("%s: %v", name, err)
				continue
			}
			for key, body := range raw {
				var into any
				switch key {
				case "Invoice":
					into = &wireInvoice{}
				case "Invoices":
					into = &[]wireInvoice{}
				case "Order":
					into = &wireOrder{}
				case "Orders":
					into = &[]wireOrder{}
				case "Customer":
					into = &wireCustomer{}
				case "Customers":
					into = &[]wireCustomer{}
				case "MetaInformation":
					into = &meta{}
				default:
					continue
				}
				if err := json.Unmarshal(body, into); err != nil {
					t.Errorf("%s: %s: %v", name, key, err)
				}
				if i, ok := into.(*wireInvoice); ok {
					if i.DocumentNumber == "" || i.Total == nil || i.Balance == nil || i.TotalVAT == nil {
						t.Errorf("%s: an invoice without number or amounts: %+v", name, i)
					}
					var said struct{ Total, TotalVAT json.Number }
					if err := json.Unmarshal(body, &said); err == nil {
						var total amount
						if json.Unmarshal([]byte(said.Total), &total) != nil || total != *i.Total {
							t.Errorf("%s: total %s read as %d", name, said.Total, *i.Total)
						}
					}
					if linked(i) != "" && i.CreditInvoiceReference == "0" {
						t.Errorf("%s: 0 is no credit invoice", name)
					}
				}
				if m, ok := into.(*meta); ok && m.Total == "" {
					t.Errorf("%s: %s: no total", name, body)
				}
			}
		}
	}
	if seen != 111 && seen < 100 {
		t.Errorf("%d exchanges", seen)
	}
	t.Logf("%d exchanges", seen)
}
