package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

// A sectionKind names a section of the file, whichever of several blocks it is.
type sectionKind string

const (
	atTop            sectionKind = ""
	inCompany        sectionKind = "company"
	inSource         sectionKind = "source"
	inSourceAccounts sectionKind = "source.accounts"
	inMethod         sectionKind = "source.method"
	inLineType       sectionKind = "source.line_type"
	inAccounts       sectionKind = "accounts"
	inSales          sectionKind = "sales"
	inFee            sectionKind = "source.fee"
	inBank           sectionKind = "bank"
	inRetention      sectionKind = "retention"
	inFX             sectionKind = "fx"
	inOrderNumber    sectionKind = "order_number"
	inERP            sectionKind = "erp"
	inSchedule       sectionKind = "schedule"
	inServe          sectionKind = "serve"
	inServeUser      sectionKind = "serve.user"
	inServeOIDC      sectionKind = "serve.oidc"
	inOIDCRole       sectionKind = "serve.oidc.role"
	inNotify         sectionKind = "notify"
	inSourceSchedule sectionKind = "source.schedule"
)

// The accounts a source has of its own, in the order of the posting rules. A payment
// method may have all of them but loan.
var roles = []string{"receivable", "clearing", "bank", "fee", "fee_vat", "reserve", "dispute"}

// fortnoxKeys are the keys of [erp] that provider = "fortnox" takes besides the common ones.
var fortnoxKeys = []string{"client_id", "client_secret", "tenant_id", "base_url", "auth_url", "reference_field"}

// known lists every section and its keys, in the order of the contract.
var known = []struct {
	kind   sectionKind
	header string // as people write it
	keys   []string
}{
	{atTop, "the top of the file", []string{"data_dir", "company", "source", "accounts", "sales", "sales_file", "bank", "retention", "fx", "order_number", "erp", "schedule", "serve", "notify", "vault_key"}},
	{inCompany, "[company]", []string{"name", "org_number", "country", "currency", "time_zone", "fiscal_year"}},
	{inSource, "[[source]]", []string{"name", "provider", "flows", "base_url", "fee_vat", "currency", "unmatched", "inbox", "start_date", "follow_days", "accounts", "method", "line_type", "fee", "schedule"}},
	{inSourceAccounts, "[source.accounts]", append(slices.Clone(roles), "loan")},
	{inMethod, "[[source.method]]", append([]string{"match"}, roles...)},
	{inLineType, "[[source.line_type]]", []string{"match", "kind"}},
	{inFee, "[[source.fee]]", []string{"method", "percent", "fixed", "currency", "from", "to"}},
	{inAccounts, "[accounts]", []string{"rounding", "fx_gain", "fx_loss", "suspense", "gift_cards", "reverse_charge_out", "reverse_charge_in", "tolerance"}},
	{inSales, "[[sales]]", []string{"country", "customer", "vat_rate", "sales", "vat", "oss"}},
	{inBank, "[bank]", []string{"statements"}},
	{inRetention, "[retention]", []string{"accounting", "personal", "unbooked"}},
	{inFX, "[fx]", []string{"rates_file", "currencies"}},
	{inOrderNumber, "[order_number]", []string{"pattern"}},
	{inERP, "[erp]", []string{"provider", "mode", "aggregate", "series", "auto_post", "period", "locked_through"}},
	{inSourceSchedule, "[source.schedule]", flows},
	{inSchedule, "[schedule]", append(slices.Clone(flows), "jitter")},
	{inServe, "[serve]", []string{"listen", "tls_cert", "tls_key", "behind_proxy", "public_url", "metrics_token", "user", "oidc"}},
	{inServeUser, "[[serve.user]]", []string{"name", "password_hash", "roles"}},
	{inServeOIDC, "[serve.oidc]", []string{"title", "issuer", "client_id", "client_secret", "groups_claim", "role"}},
	{inOIDCRole, "[[serve.oidc.role]]", []string{"match", "roles"}},
	{inNotify, "[notify]", []string{"email", "from", "smtp", "smtp_username", "smtp_password", "webhook", "when"}},
}

func knownKeys(kind sectionKind) []string {
	for _, k := range known {
		if k.kind == kind {
			return k.keys
		}
	}
	return nil
}

// refuseUnknown reports every key of s that is neither known there nor in extra, the keys
// of the provider.
func (s section) refuseUnknown(extra []string) {
	if s.n == nil {
		return
	}
	local := append(slices.Clone(knownKeys(s.kind)), extra...)
	for _, name := range s.n.names {
		if slices.Contains(local, name) {
			continue
		}
		v := s.n.table[name]
		what := fmt.Sprintf("unknown key %q in %s", name, s.title)
		if s.kind == atTop {
			what = fmt.Sprintf("unknown key %q at the top of the file", name)
			if v.kind == unstable.Table {
				what = fmt.Sprintf("unknown section [%s]", name)
			} else if v.kind == unstable.Array && len(v.items) > 0 && v.items[0].kind == unstable.Table {
				what = fmt.Sprintf("unknown section [[%s]]", name)
			}
		}
		do, meant := s.r.instead(s.kind, local, extra, name)
		if meant != "" {
			s.r.misspelt[s.key(meant)] = true
		}
		s.r.fail(v.key, s.key(name), what, do)
	}
}

// lacks reports whether name is absent and no misspelling of it was reported.
func (s section) lacks(name string) bool {
	return !s.has(name) && !s.r.misspelt[s.key(name)]
}

// instead says what to write for a key that is unknown among local, and which key of
// local was meant, if one was. A key that stands in the wrong section is a likelier slip
// than a misspelling.
func (r *reader) instead(kind sectionKind, local, extra []string, name string) (do, meant string) {
	for _, k := range local {
		if fold(k) == fold(name) {
			return fmt.Sprintf("did you mean %s?", asWritten(kind, k)), k
		}
	}
	var places []string
	for _, k := range known {
		if k.kind != kind && slices.Contains(k.keys, name) {
			places = append(places, where(k.kind, k.header, name))
		}
	}
	var owner string // the provider that has such a key
	for _, p := range r.sources {
		if slices.ContainsFunc(p.Keys, named(name)) {
			owner = p.Name
			break
		}
	}
	if owner != "" && kind != inSource && !slices.Contains(places, "under [[source]]") {
		places = append(places, "under [[source]]")
	}
	switch {
	case kind == inERP && slices.Contains(fortnoxKeys, name):
		return `it is a key of provider = "fortnox"`, ""
	case len(places) > 0:
		return "it belongs " + choice(places), ""
	case owner != "":
		return fmt.Sprintf("it is a key of provider %s; this one takes %s", owner, list(extra)), ""
	}
	if k := nearest(name, local); k != "" {
		return fmt.Sprintf("did you mean %s?", asWritten(kind, k)), k
	}
	return "keys here: " + list(local), ""
}

// asWritten is a key in quotes, or a section with its brackets.
func asWritten(kind sectionKind, key string) string {
	sub := sectionKind(key)
	if kind != atTop {
		sub = kind + "." + sub
	}
	for _, k := range known {
		if k.kind == sub {
			return k.header
		}
	}
	return fmt.Sprintf("%q", key)
}

// where says how to write a key in the section it belongs to.
func where(kind sectionKind, header, name string) string {
	if kind != atTop {
		sub := sectionKind(string(kind) + "." + name)
		for _, k := range known {
			if k.kind == sub {
				return "below a [[source]], as " + k.header
			}
		}
		return "under " + header
	}
	for _, k := range known {
		if string(k.kind) == name {
			return "at the top level, as " + k.header
		}
	}
	return "at the top of the file, before the first [section]"
}

// mistyped says what to write instead of a value that must be one of words.
func mistyped(value string, words []string) string {
	if k := nearest(value, words); k != "" {
		return fmt.Sprintf("did you mean %q?", k)
	}
	return "write " + choice(quoted(words))
}

func quoted(words []string) []string {
	q := make([]string, len(words))
	for i, w := range words {
		q[i] = `"` + w + `"`
	}
	return q
}

// envName suggests the environment variable for a key of a source: KLARNA_SE_PASSWORD.
func envName(sourceName, key string) string {
	return strings.ToUpper(strings.ReplaceAll(sourceName+"_"+key, "-", "_"))
}
