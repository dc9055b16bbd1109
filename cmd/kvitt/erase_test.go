package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestAPersonIsSeenHeldAndErasedFromTheCommandLine goes through the commands on a copy of the demo's books.
func TestAPersonIsSeenHeldAndErasedFromTheCommandLine(t *testing.T) {
	shared, dir, _ := demoWorld(t)
	own := filepath.Join(t.TempDir(), "shop")
	if err := os.CopyFS(own, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	e := env{"KVITT_CONFIG": filepath.Join(own, "kvitt.toml"), "KVITT_NOW": shared["KVITT_NOW"], "KVITT_USER": "anna"}
	order := e.one(t, "select order_id from recon.documents where source = 'klarna' and kind = 'delivery' order by order_id limit 1")
	balances := e.kvitt("--format", "csv", "balances").want(t, 0).out
	var seen struct {
		Kept []struct{ Values []string }
	}
	if err := json.Unmarshal([]byte(e.kvitt("--format", "json", "person", "--order", order).want(t, 0).out), &seen); err != nil || len(seen.Kept) == 0 {
		t.Fatal(err, seen)
	}
	email := ""
	for _, v := range seen.Kept[0].Values {
		if strings.Contains(v, "@") {
			email = v
		}
	}
	if o := e.kvitt("person", email).want(t, 0); !strings.Contains(o.out, email) {
		t.Errorf("of %s: %s", email, o.out)
	}
	e.kvitt("erase", email).want(t, 2) // why?
	e.kvitt("erase", "nobody@example.com", "--why", "asked").want(t, 2)
	e.kvitt("hold", email, "--why", "a dispute").want(t, 0)
	if o := e.kvitt("erase", email, "--why", "asked").want(t, 2); !strings.Contains(o.err, "h1 holds one person") {
		t.Errorf("held: %s", o.err)
	}
	if o := e.kvitt("hold", "--list").want(t, 0); !strings.Contains(o.out, "a dispute") || strings.Contains(o.out, email) {
		t.Errorf("holds: %s", o.out)
	}
	e.kvitt("hold", "--release", "h1", "--why", "settled").want(t, 0)
	if o := e.kvitt("erase", email, "--dry-run").want(t, 0); !strings.Contains(o.out, "would be erased") {
		t.Errorf("dry run: %s", o.out)
	}
	if o := e.kvitt("erase", email, "--why", "asked").want(t, 0); !strings.Contains(o.out, "erased (e1)") {
		t.Errorf("erased: %s", o.out)
	}
	e.kvitt("person", email).want(t, 2)
	if got := e.kvitt("--format", "csv", "balances").want(t, 0).out; got != balances {
		t.Error("balances changed")
	}
	if o := e.kvitt("retention").want(t, 0); !strings.Contains(o.out, "came in 2026") {
		t.Errorf("retention: %s", o.out)
	}
	if got := e.one(t, "select erased_by || ' ' || reason from recon.erasures"); got != "anna asked" {
		t.Errorf("the audit trail says %q", got)
	}
	e.kvitt("explain", order).want(t, 0)
	e.kvitt("verify").want(t, 0)
}
