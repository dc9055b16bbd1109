package config

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/transform"
)

// flows are the four flows, in the order a sale goes through them.
var flows = []string{"orders", "invoices", "refunds", "payouts"}

// promised are the providers of the contract, whether or not this build has them.
var promised = []string{"svea", "qliro", "klarna", "mollie", "adyen", "shopify", "woocommerce", "centra"}

// A block is one [[source]] while it is being checked.
type block struct {
	section  section
	provider *extract.Source // nil when it was reported as unknown
	config   SourceConfig
	rules    transform.Source
}

var sourceName = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]*$`)

// readSources reads the [[source]] blocks one by one; what they must not have in common is
// for checkSources.
func (r *reader) readSources(file section, co transform.Company) []block {
	subs := file.subs("source", inSource)
	v := file.get("source")
	if file.lacks("source") || v != nil && v.kind == unstable.Array && len(v.items) == 0 {
		r.fail(file.place("source"), "source", "there is no [[source]]: nothing to read from", "write one for each account at a provider or shop\n\n"+sourceBlock)
	}
	var blocks []block
	for i, s := range subs {
		blocks = append(blocks, r.source(s, i, co))
	}
	return blocks
}

const sourceBlock = `[[source]]
name     = "klarna"
provider = "klarna"
username = "${KLARNA_USERNAME}"
password = "${KLARNA_PASSWORD}"
`

func (r *reader) source(s section, i int, co transform.Company) block {
	name := s.text("name", "", "klarna")
	s.title = fmt.Sprintf("[[source]] number %d", i+1)
	if name != "" {
		s.title = fmt.Sprintf("[[source]] %q", name)
	}
	b := block{section: s, provider: r.find(s.stringOf("provider"))}
	var providerKeys []string
	defaults := extract.Defaults{Clearing: 1580, Fee: 6040}
	switch {
	case b.provider != nil:
		providerKeys = keyNames(b.provider)
		defaults = b.provider.Defaults
	case s.has("provider"):
		providerKeys = s.n.names // which keys belong to it is not known
	default:
		for i := range r.sources {
			providerKeys = append(providerKeys, keyNames(&r.sources[i])...)
		}
	}
	s.refuseUnknown(providerKeys)
	if b.provider == nil {
		s.noProvider()
	}
	switch {
	case s.lacks("name"):
		r.fail(s.at, s.key("name"), s.title+" has no name", `write e.g. name = "klarna"`)
	case s.has("name") && s.get("name").kind == stringKind && !sourceName.MatchString(name):
		r.fail(s.place("name"), s.key("name"), fmt.Sprintf("%q cannot name a source: lower-case letters, digits, - and _, the first a letter or digit", name), fmt.Sprintf("write e.g. name = %q", cleanName(name)))
	}

	b.config = SourceConfig{
		Name:       name,
		Provider:   s.stringOf("provider"),
		Flows:      s.flows(b.provider),
		StartDate:  s.date("start_date"),
		FollowDays: s.whole("follow_days", 180, 0, 3650),
	}
	b.config.Schedule = s.sub("schedule", inSourceSchedule, "[source.schedule] of "+s.title).cron()
	b.config.Extract = extract.Config{Name: name, BaseURL: s.address("base_url", envName(name, "base_url")), Keys: map[string]string{}}
	s.inbox(b.provider, &b.config)
	s.keys(b.provider, &b.config)

	feeVAT := defaults.FeeVAT
	if feeVAT == "" {
		feeVAT = "none"
	}
	b.rules = transform.Source{
		Name:      name,
		Provider:  b.config.Provider,
		Flows:     b.config.Flows,
		FeeVAT:    s.word("fee_vat", feeVAT, []string{"reported", "none", "reverse_charge"}),
		Unmatched: s.word("unmatched", "suspense", []string{"suspense", "receivable"}),
		Currency:  s.currency("currency"),
		Accounts:  s.sourceAccounts(defaults),
		Methods:   s.methods(),
		LineTypes: s.lineTypes(),
		Fees:      s.fees(co.Currency),
	}
	return b
}

// stringOf returns a string without reporting another type, which was done elsewhere.
func (s section) stringOf(name string) string {
	if v := s.get(name); v != nil && v.kind == stringKind {
		return v.text
	}
	return ""
}

// cleanName turns what was written into a name that would do.
func cleanName(name string) string {
	clean := strings.Map(func(c rune) rune {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9', c == '-', c == '_':
			return c
		}
		return '-'
	}, strings.ToLower(name))
	clean = strings.Trim(clean, "-_")
	if clean == "" || len(clean) > 40 {
		return "klarna"
	}
	return clean
}

// find returns the connector of that name, or nil.
func (r *reader) find(name string) *extract.Source {
	for i := range r.sources {
		if r.sources[i].Name == name {
			return &r.sources[i]
		}
	}
	return nil
}

// noProvider reports why a block has no connector.
func (s section) noProvider() {
	var built []string
	for _, p := range s.r.sources {
		built = append(built, p.Name)
	}
	name := s.text("provider", "", "klarna")
	switch v := s.get("provider"); {
	case s.lacks("provider"):
		s.r.fail(s.at, s.key("provider"), s.title+" has no provider", "write one of "+choice(quoted(built)))
	case v == nil, v.kind != stringKind:
	case slices.Contains(promised, name):
		s.r.fail(v.at, s.key("provider"), fmt.Sprintf("provider %q is not built into this version", name), "it has "+list(built))
	default:
		do := "known providers are " + list(built)
		if k := nearest(name, append(slices.Clone(built), promised...)); k != "" {
			do = fmt.Sprintf("did you mean %q? Known are %s", k, list(built))
		}
		s.r.fail(v.at, s.key("provider"), fmt.Sprintf("provider %q is not known", name), do)
	}
}

// flows returns the flows that are on and that p can deliver, in their usual order.
func (s section) flows(p *extract.Source) []string {
	can, who := flows, ""
	if p != nil {
		can, who = inOrder(p.Flows), title(p)
		// Report files are about payouts: a shop's or a provider's orders are not in them.
		if s.has("inbox") && p.Inbox != nil && slices.Contains(can, "payouts") && len(can) > 1 {
			can, who = []string{"payouts"}, "a folder of report files"
		}
	}
	v := s.get("flows")
	if v == nil {
		return can
	}
	example := "flows = [" + strings.Join(quoted(can), ", ") + "]"
	if v.kind != unstable.Array {
		s.r.fail(v.at, s.key("flows"), "flows is a list", "write e.g. "+example)
		return can
	}
	var on []string
	wrong := false
	for _, item := range v.items {
		switch {
		case item.kind != stringKind:
			wrong = true
			s.r.fail(item.at, s.key("flows"), "a flow is text", "write e.g. "+example)
		case !slices.Contains(flows, item.text):
			wrong = true
			s.r.fail(item.at, s.key("flows"), fmt.Sprintf("flow %q is not known", item.text), mistyped(item.text, flows))
		case !slices.Contains(can, item.text):
			s.r.warn(item.at, s.key("flows"), fmt.Sprintf("%s cannot deliver %s: it delivers %s", who, item.text, list(can)))
		default:
			on = append(on, item.text)
		}
	}
	if len(on) == 0 && !wrong {
		what := "no flow of " + s.title + " is on"
		if len(v.items) > 0 {
			what = fmt.Sprintf("%s delivers none of the flows of %s", who, s.title)
		}
		s.r.fail(v.at, s.key("flows"), what, "write "+example+" or remove the block")
	}
	return inOrder(on)
}

// inOrder returns each of on once, in the order of flows.
func inOrder(on []string) []string {
	var sorted []string
	for _, f := range flows {
		if slices.Contains(on, f) {
			sorted = append(sorted, f)
		}
	}
	return sorted
}

// title is a provider's name as people write it.
func title(p *extract.Source) string {
	if p.Title != "" {
		return p.Title
	}
	return p.Name
}

// inbox reads the folder of report files. That it does not exist yet is no problem of the
// configuration: it may be made, or mounted, later.
func (s section) inbox(p *extract.Source, c *SourceConfig) {
	dir := s.text("inbox", "", "inbox/"+cmp.Or(c.Provider, "adyen"))
	if !s.has("inbox") {
		if s.lacks("inbox") && p != nil && p.Open == nil && p.Inbox != nil {
			s.r.fail(s.at, s.key("inbox"), fmt.Sprintf("%s has no inbox, and this version reads %s from its report files only", s.title, title(p)), fmt.Sprintf("write e.g. inbox = %q", "inbox/"+c.Name))
		}
		return
	}
	v := s.get("inbox")
	switch {
	case v.kind != stringKind:
		return
	case dir == "":
		s.r.fail(v.at, s.key("inbox"), "inbox is empty", "write the folder of the report files, or remove the key")
		return
	case p != nil && p.Inbox == nil:
		s.r.fail(v.at, s.key("inbox"), fmt.Sprintf("kvitt cannot read report files of %s", title(p)), "remove inbox and write the keys: "+list(keyNames(p)))
		return
	}
	c.inbox, c.Inbox = dir, s.r.path(dir)
	if info, err := os.Stat(c.Inbox); err == nil && !info.IsDir() {
		s.r.fail(v.at, s.key("inbox"), fmt.Sprintf("inbox = %q is a file", dir), fmt.Sprintf("write the folder it is in: inbox = %q", filepath.ToSlash(filepath.Dir(dir))))
	}
}

// keys reads the provider's own keys, secrets resolved.
func (s section) keys(p *extract.Source, c *SourceConfig) {
	if p == nil {
		return
	}
	for _, k := range keysOf(p) {
		if slices.Contains(knownKeys(inSource), k.Name) {
			continue // "base_url" is every source's
		}
		env := envName(c.Name, k.Name)
		value, literal, ok := s.secret(k.Name, k.Secret, env)
		if ok {
			c.Extract.Keys[k.Name] = value
			if literal && !k.Secret {
				c.plain = append(c.plain, k.Name)
			}
			continue
		}
		if k.Required && s.lacks(k.Name) && !s.has("inbox") && p.Open != nil && (k.Unless == "" || s.lacks(k.Unless)) {
			do := fmt.Sprintf(`write %s = "${%s}"`, k.Name, env)
			if !k.Secret {
				do = fmt.Sprintf(`write %s = "…" or %s = "${%s}"`, k.Name, k.Name, env)
			}
			if p.Inbox != nil {
				do += `, or read report files: inbox = "inbox/` + c.Name + `"`
			}
			s.r.fail(s.at, s.key(k.Name), s.title+" has no "+k.Name, do)
		}
	}
}

func keyNames(p *extract.Source) []string {
	var names []string
	for _, k := range keysOf(p) {
		names = append(names, k.Name)
	}
	return names
}

// keysOf returns the keys of p. A provider that calls without signing has one more: what stands in the
// address that it calls.
func keysOf(p *extract.Source) []extract.Key {
	if p.Hook == nil || !p.Hook.Unsigned || slices.ContainsFunc(p.Keys, named("webhook_secret")) {
		return p.Keys
	}
	return append(slices.Clone(p.Keys), extract.Key{Name: "webhook_secret", Secret: true, Help: "stands in the address of the webhook, which is not signed"})
}

func named(name string) func(extract.Key) bool {
	return func(k extract.Key) bool { return k.Name == name }
}
