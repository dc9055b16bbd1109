package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/kvitt/kvitt/cmd/kvitt/config"
	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load/fortnox"
	"github.com/kvitt/kvitt/load/sie"
	"github.com/kvitt/kvitt/pipeline"
	"github.com/kvitt/kvitt/pipeline/transport"
	"github.com/kvitt/kvitt/pipeline/vault"
)

// fortnox builds the target of [erp] provider = "fortnox". It never dials.
func (a *app) fortnox(cfg *config.Config, p *pipeline.Project, kept *vault.Vault) *fortnox.Target {
	k := cfg.ERP.Keys
	return fortnox.New(fortnox.Options{
		BaseURL: k["base_url"], AuthURL: k["auth_url"], ClientID: k["client_id"], ClientSecret: k["client_secret"], TenantID: k["tenant_id"],
		Series: cfg.ERP.Series, ReferenceField: k["reference_field"], Period: cfg.ERP.Period,
		// One try, its body read whole: when a request may be made again is for the target to say.
		Client: transport.New(transport.Options{Now: time.Now, Agent: "kvitt/" + version, MaxTries: 1, TryTimeout: time.Minute, MaxBody: 256 << 20, Count: p.ERPRequests.Add}),
		Vault:  kept, Window: filepath.Join(cfg.DataDir, "erp-window"), Early: earlyWindow(cfg.DataDir), Wall: time.Now, Log: p.Log, Name: ledger.AccountName,
		Report: p.Blob, ReadSIE: readSIE,
	})
}

// earlyWindow is where a check keeps count of its requests before there is a data folder: the run that follows at once keeps to
// the same limit.
func earlyWindow(dataDir string) string {
	if abs, err := filepath.Abs(dataDir); err == nil {
		dataDir = abs
	}
	sum := sha256.Sum256([]byte(dataDir))
	return filepath.Join(os.TempDir(), fmt.Sprintf("kvitt-%x-erp-window", sum[:8]))
}

// fortnoxConsent asks a system administrator of the company to allow kvitt, as a service account: then client credentials
// work from there on, and the tokens in the vault are the fallback.
func (a *app) fortnoxConsent(cfg *config.Config, p *pipeline.Project) (*extract.Consent, func(context.Context, keptToken) error, error) {
	k := cfg.ERP.Keys
	auth, base := k["auth_url"], k["base_url"]
	if auth == "" {
		auth = fortnox.DefaultAuthURL
	}
	if base == "" {
		base = fortnox.DefaultBaseURL
	}
	c := &extract.Consent{AuthURL: auth + "/auth", TokenURL: auth + "/token", ClientID: k["client_id"], ClientSecret: k["client_secret"],
		Scopes: fortnox.Scopes(cfg.ERP.Mode != "voucher", cfg.ERP.Mode == "document"), Params: map[string]string{"access_type": "offline", "account_type": "service"}}
	return c, func(ctx context.Context, t keptToken) error {
		if k["tenant_id"] != "" {
			return nil
		}
		number, err := tenant(ctx, base, t.AccessToken)
		if err != nil || number == "" {
			return nil // it works without, by the refresh token
		}
		fmt.Fprintf(a.stdout, "with this in [erp], kvitt signs in by client credentials and needs no token kept:\n\n  tenant_id = %q\n", number)
		return nil
	}, nil
}

// tenant asks which company the token is for.
func tenant(ctx context.Context, base, token string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/companyinformation", nil)
	if err != nil {
		return "", err
	}
	req.Header.Set("Authorization", "Bearer "+token)
	req.Header.Set("Accept", "application/json")
	resp, err := (&http.Client{Timeout: time.Minute}).Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return "", err
	}
	var said struct {
		CompanyInformation struct {
			DatabaseNumber json.RawMessage
		}
	}
	if err := json.Unmarshal(b, &said); err != nil {
		return "", err
	}
	var text string
	if json.Unmarshal(said.CompanyInformation.DatabaseNumber, &text) != nil {
		text = string(said.CompanyInformation.DatabaseNumber)
	}
	return text, nil
}

// readSIE reads what Fortnox exports.
func readSIE(file []byte) ([]fortnox.SIEVoucher, error) {
	f, err := sie.Read(bytes.NewReader(file))
	if err != nil {
		return nil, err
	}
	var out []fortnox.SIEVoucher
	for _, v := range f.Vouchers {
		x := fortnox.SIEVoucher{Series: v.Series, Number: v.Number, Date: v.Date, Text: v.Text, Rows: map[int]ledger.Minor{}}
		for _, r := range v.Rows {
			account, err := strconv.Atoi(r.Account)
			if err != nil {
				return nil, fmt.Errorf("account %q in Fortnox's SIE file", r.Account)
			}
			x.Rows[account] += r.Amount
		}
		out = append(out, x)
	}
	return out, nil
}
