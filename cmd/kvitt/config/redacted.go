package config

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/kvitt/kvitt/transform"
)

// A redacted is what the archive keeps of a configuration. Paths are as written, so that
// the same settings in another folder, or on another machine, are the same settings.
type redacted struct {
	Version   int                `json:"version"`
	DataDir   string             `json:"data_dir"`
	Settings  transform.Settings `json:"settings"`
	Sources   []redactedSource   `json:"sources"`
	ERP       redactedERP        `json:"erp"`
	Schedule  map[string]string  `json:"schedule,omitempty"`
	Serve     string             `json:"serve_listen"`
	Bank      string             `json:"bank_statements,omitempty"`
	Retention Retention          `json:"retention,omitzero"`
}

// A redactedSource shows the keys that are no secret and stand in the file as they are.
// Of the others only the names are kept: what someone put in a variable was not meant to
// be written down.
type redactedSource struct {
	Name       string            `json:"name"`
	Provider   string            `json:"provider"`
	BaseURL    string            `json:"base_url,omitempty"`
	Keys       map[string]string `json:"keys,omitempty"`
	Hidden     []string          `json:"hidden_keys,omitempty"`
	Inbox      string            `json:"inbox,omitempty"`
	StartDate  string            `json:"start_date,omitempty"`
	FollowDays int               `json:"follow_days"`
}

type redactedERP struct {
	Provider  string            `json:"provider"`
	Mode      string            `json:"mode"`
	Aggregate string            `json:"aggregate"`
	Series    string            `json:"series"`
	AutoPost  bool              `json:"auto_post"`
	Keys      map[string]string `json:"keys,omitempty"`
	Hidden    []string          `json:"hidden_keys,omitempty"`
}

// Redacted returns the effective configuration as JSON without any secret. Equal settings
// give equal bytes, whatever the layout of the file; [Restore] reads them back.
func (c *Config) Redacted() []byte { return bytes.Clone(c.redacted) }

// Restore returns the settings in what Redacted returned: those that a rebuild of the
// ledger needs.
func Restore(data []byte) (transform.Settings, error) {
	var r redacted
	if err := json.Unmarshal(data, &r); err != nil {
		return transform.Settings{}, fmt.Errorf("read an archived configuration: %w", err)
	}
	if r.Version != 1 {
		return transform.Settings{}, fmt.Errorf("an archived configuration of version %d: this build knows version 1", r.Version)
	}
	return r.Settings, nil
}

// seal fills in what is derived from everything else. dataDir is as written.
func (c *Config) seal(dataDir string) error {
	out := redacted{Version: 1, DataDir: dataDir, Settings: c.Settings, Schedule: c.Schedule, Serve: c.Serve.Listen, Bank: c.bankStatements, Retention: c.Retention}
	for _, s := range c.Sources {
		keys, hidden := split(s.Extract.Keys, s.plain)
		out.Sources = append(out.Sources, redactedSource{
			Name: s.Name, Provider: s.Provider, BaseURL: s.Extract.BaseURL, Keys: keys, Hidden: hidden,
			Inbox: s.inbox, StartDate: s.StartDate, FollowDays: s.FollowDays,
		})
	}
	out.ERP = redactedERP{Provider: c.ERP.Provider, Mode: c.ERP.Mode, Aggregate: c.ERP.Aggregate, Series: c.ERP.Series, AutoPost: c.ERP.AutoPost}
	out.ERP.Keys, out.ERP.Hidden = split(c.ERP.Keys, c.ERP.plain)

	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(out); err != nil {
		return fmt.Errorf("write down the settings: %w", err)
	}
	c.redacted = bytes.TrimSuffix(b.Bytes(), []byte("\n"))
	sum := sha256.Sum256(c.redacted)
	c.Digest = hex.EncodeToString(sum[:])
	return nil
}

// split divides keys into those that may be shown and the sorted names of the others.
func split(keys map[string]string, plain []string) (shown map[string]string, hidden []string) {
	for name, value := range keys {
		if !slices.Contains(plain, name) {
			hidden = append(hidden, name)
			continue
		}
		if shown == nil {
			shown = map[string]string{}
		}
		shown[name] = value
	}
	slices.Sort(hidden)
	return shown, hidden
}
