package config

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// checkSources reports what no two [[source]] blocks may share: a name, a folder of
// report files, and a flow of one account. The last two would book everything twice.
func (r *reader) checkSources(blocks []block) {
	for i, b := range blocks {
		for _, a := range blocks[:i] {
			if b.config.Name != "" && a.config.Name == b.config.Name {
				s := b.section
				r.fail(s.place("name"), s.key("name"), fmt.Sprintf("the name %q is taken by the [[source]] at line %d", b.config.Name, a.section.at.line), fmt.Sprintf("write another: name = %q", b.config.Name+"-2"))
				break
			}
		}
		for _, a := range blocks[:i] {
			if r.sameInbox(a, b) || r.sameFlow(a, b) {
				break // one of the two has to change anyhow
			}
		}
	}
}

func (r *reader) sameInbox(a, b block) bool {
	if a.config.Inbox == "" || realPath(a.config.Inbox) != realPath(b.config.Inbox) {
		return false
	}
	s := b.section
	r.fail(s.place("inbox"), s.key("inbox"), fmt.Sprintf("sources %q and %q read the same folder %q: every payout in it would be booked twice", a.config.Name, b.config.Name, b.config.inbox), "give each a folder of its own, or remove one of the blocks")
	return true
}

// realPath sees through links, where the folder exists.
func realPath(dir string) string {
	if real, err := filepath.EvalSymlinks(dir); err == nil {
		return real
	}
	return dir
}

func (r *reader) sameFlow(a, b block) bool {
	if !sameAccount(a, b) {
		return false
	}
	var both []string
	for _, f := range b.config.Flows {
		if slices.Contains(a.config.Flows, f) {
			both = append(both, f)
		}
	}
	if len(both) == 0 {
		return false
	}
	what := "payout"
	switch {
	case slices.Contains(both, "orders"), slices.Contains(both, "invoices"):
		what = "sale"
	case slices.Contains(both, "refunds"):
		what = "refund"
	}
	var keep []string
	for _, f := range b.config.Flows {
		if !slices.Contains(both, f) {
			keep = append(keep, f)
		}
	}
	do := fmt.Sprintf("remove one of the two blocks, or %s from flows of one of them", list(quoted(both)))
	if len(keep) > 0 {
		do = fmt.Sprintf("remove %s from flows of %q: flows = [%s]", list(quoted(both)), b.config.Name, strings.Join(quoted(keep), ", "))
	}
	s := b.section
	r.fail(s.place("flows"), s.key("flows"), fmt.Sprintf("sources %q and %q read the same account at %s and both have %s on: this would book a %s twice", a.config.Name, b.config.Name, title(b.provider), list(both), what), do)
	return true
}

// sameAccount reports whether two blocks speak to one account at one provider. Some
// providers' accounts are named by nothing but the secret: there, equal keys tell.
func sameAccount(a, b block) bool {
	if a.provider == nil || b.provider == nil || a.provider.Name != b.provider.Name {
		return false
	}
	nameA, knownA := accountOf(a)
	nameB, knownB := accountOf(b)
	if knownA && knownB {
		return nameA == nameB
	}
	ka, kb := a.config.Extract, b.config.Extract
	return len(ka.Keys) > 0 && ka.BaseURL == kb.BaseURL && maps.Equal(ka.Keys, kb.Keys)
}

// accountOf returns the name of a block's account at the provider, and whether it says
// more than that no key is set, as of a block that reads an inbox.
func accountOf(b block) (name string, known bool) {
	if b.provider.Account == nil {
		return "", false
	}
	cfg := b.config.Extract
	name = b.provider.Account(cfg)
	bare := b.provider.Account(extract.Config{Name: cfg.Name, BaseURL: cfg.BaseURL, Keys: map[string]string{}})
	return name, name != bare
}
