// Package config reads kvitt.toml: every setting of a run, checked before anything is
// touched, with every default filled in.
//
// The entry point is [Load]. It reads files and never the network, takes the environment
// as a parameter, and reports every problem it finds with line and column and what to
// write instead. What the rules of the books need ends up in a [transform.Settings];
// [Config.Redacted] is the form of it that is kept in the archive.
package config

import (
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/transform"
)

// A Config is one configuration file, checked. Loading the same files in the same
// environment gives the same Config.
type Config struct {
	Path     string // as given to Load
	Dir      string // the folder of the file, absolute: relative paths in the file start here
	DataDir  string // absolute
	Settings transform.Settings
	Sources  []SourceConfig // in file order; Settings.Sources has the same order
	ERP      ERP
	Schedule map[string]string // flow -> cron expression of five fields, in the company's time zone
	Jitter   time.Duration     // a scheduled run is later by less than this
	Serve    Serve
	Notify   Notify
	VaultKey string // opens the vault of tokens: an age identity or a passphrase; "" for the key file
	// BankStatements is the folder of the bank's camt.053 files, absolute; "" for none.
	BankStatements string
	Retention      Retention
	Warnings       []Warning // in file order
	Digest         string    // SHA-256 of Redacted, lower-case hex

	redacted       []byte
	bankStatements string // as written
}

// Retention is the [retention] section: how long what is about persons can be read.
type Retention struct {
	Accounting string // archive, ledger and receipts; nothing of it is removed
	Personal   string // what is about persons in what was booked
	Unbooked   string // the same of orders that came to nothing; "" as Personal
}

// A SourceConfig is one [[source]] block, as far as fetching cares.
type SourceConfig struct {
	Name       string
	Provider   string
	Flows      []string          // the flows that are on and that the provider can deliver
	Extract    extract.Config    // secrets resolved; Client and Now are the caller's to set
	Inbox      string            // absolute path of the folder of report files, or ""
	StartDate  string            // "YYYY-MM-DD", or "": nothing before it is fetched
	FollowDays int               // days that an unfinished document is looked at again, 180 unless set
	Schedule   map[string]string // [source.schedule]: flow -> cron expression, instead of the common one

	plain []string // the names of the keys whose value may be shown
	inbox string   // as written
}

// An ERP is the [erp] section.
type ERP struct {
	Provider      string            // sie | fortnox
	Mode          string            // voucher | document | attach
	Aggregate     string            // day | document
	Series        string            // voucher series, "K"
	AutoPost      bool              // run posts without being told to
	Period        string            // first_open | hold
	LockedThrough string            // "YYYY-MM-DD", or ""
	Keys          map[string]string // the ERP's own keys, secrets resolved: "client_id"; nil for sie

	plain []string
}

// Serve is the [serve] section.
type Serve struct {
	Listen       string // host:port, 127.0.0.1:8740 unless set
	TLSCert      string // absolute path, or ""
	TLSKey       string
	BehindProxy  bool   // a proxy that speaks TLS stands before it
	PublicURL    string // where people reach it, without a trailing slash; "" when nobody but this machine does
	MetricsToken string // lets other machines read /metrics
	Users        []User
	OIDC         *OIDC

	at place // of listen
}

// A User is one [[serve.user]]: someone who may sign in to the console.
type User struct {
	Name         string
	PasswordHash string
	Roles        []string // viewer, accountant, operator
}

// OIDC is [serve.oidc]: who may sign in by another's word.
type OIDC struct {
	Title, Issuer, ClientID, ClientSecret, GroupsClaim string
	Roles                                              map[string][]string // group or e-mail address -> roles
}

// Notify is the [notify] section.
type Notify struct {
	Email        []string // addresses that summaries are sent to
	From         string
	SMTP         string // host:port
	SMTPUsername string
	SMTPPassword string
	Webhook      string // an address that takes {"text": …}, as Slack does
	When         string // news | always | trouble
}

// Source returns the [[source]] block of that name.
func (c *Config) Source(name string) (SourceConfig, bool) {
	for _, s := range c.Sources {
		if s.Name == name {
			return s, true
		}
	}
	return SourceConfig{}, false
}

// SourceNames returns the names of all sources in file order.
func (c *Config) SourceNames() []string {
	names := make([]string, len(c.Sources))
	for i, s := range c.Sources {
		names[i] = s.Name
	}
	return names
}
