package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/transform"
)

// maxFile bounds what is read as configuration: the ECB's history of rates, the largest
// file there is a reason for, has under 3 MB.
const maxFile = 64 << 20

// An Option changes what Load takes for granted about this build.
type Option func(*reader)

// Targets says which ERPs this build can post to; without it, sie.
func Targets(names ...string) Option {
	return func(r *reader) { r.targets = names }
}

// Keyring says how the system's keyring is read, for secrets written as "keyring:NAME".
func Keyring(get func(name string) (string, error)) Option {
	return func(r *reader) { r.keyring = get }
}

// Load reads and checks the configuration file at path and the files it names: secrets,
// sales accounts, rates. It never touches the network. Secrets written as "${NAME}" are
// looked up with env; sources are the providers of this build.
//
// Errors: Errors, with everything that is wrong, not only the first. A file that is not
// there wraps fs.ErrNotExist.
func Load(path string, env func(string) (string, bool), sources []extract.Source, opts ...Option) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		e := &Error{File: path, Message: err.Error(), cause: err}
		if errors.Is(err, fs.ErrNotExist) {
			e.Message, e.Do = "there is no such file", `"kvitt init" writes one to start from`
		}
		return nil, Errors{e}
	}
	return parseConfig(path, data, env, sources, opts...)
}

func parseConfig(path string, data []byte, env func(string) (string, bool), sources []extract.Source, opts ...Option) (*Config, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, Errors{{File: path, Message: err.Error(), cause: err}}
	}
	r := &reader{file: path, dir: filepath.Dir(abs), env: env, sources: sources, targets: []string{"sie"}, misspelt: map[string]bool{}}
	for _, opt := range opts {
		opt(r)
	}
	root, problems := parse(path, data)
	if problems != nil {
		return nil, problems
	}
	c := r.config(section{r: r, n: root, kind: atTop, title: header(atTop), at: place{path, 1, 1}})
	r.sortProblems()
	if len(r.problems) > 0 {
		return nil, r.problems
	}
	c.Warnings = r.warnings
	if err := c.seal(r.dirText(root)); err != nil {
		return nil, Errors{{File: path, Message: err.Error(), cause: err}}
	}
	return c, nil
}

// config reads every section. Sections that others are checked against come first.
func (r *reader) config(file section) *Config {
	file.refuseUnknown(nil)
	c := &Config{Path: r.file, Dir: r.dir}
	c.DataDir = r.path(file.text("data_dir", defaultDataDir, defaultDataDir))
	if v := file.get("data_dir"); v != nil && v.kind == stringKind && v.text == "" {
		r.fail(v.at, "data_dir", "data_dir is empty", fmt.Sprintf("write data_dir = %q", defaultDataDir))
	}
	if key, _, ok := file.secret("vault_key", true, "KVITT_VAULT_KEY"); ok {
		c.VaultKey = key
	}
	co := r.company(file)
	blocks := r.readSources(file, co)
	r.checkSources(blocks)
	acc, tolerance := r.accounts(file, co)
	c.ERP = r.erp(file)
	c.Schedule, c.Jitter = r.schedule(file)
	c.Serve = r.serve(file)
	c.Notify = r.notify(file)
	c.bankStatements, c.BankStatements = r.bank(file)
	c.Retention = r.retention(file, c.Settings.Company.Country)
	c.Settings = transform.Settings{
		Company:   co,
		Sales:     r.sales(file, co, blocks),
		Accounts:  acc,
		Rates:     r.rates(file, co, blocks),
		Number:    r.orderNumber(file),
		Period:    transform.Period{LockedThrough: c.ERP.LockedThrough, Policy: c.ERP.Period},
		Tolerance: tolerance,
	}
	for _, b := range blocks {
		c.Sources = append(c.Sources, b.config)
		c.Settings.Sources = append(c.Settings.Sources, b.rules)
	}
	return c
}

const defaultDataDir = "data"

// dirText returns data_dir as written.
func (r *reader) dirText(root *node) string {
	if v := root.table["data_dir"]; v != nil {
		return v.text
	}
	return defaultDataDir
}

// path makes a path of the file absolute.
func (r *reader) path(p string) string {
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(r.dir, p)
}

// shownPath names another file the way the configuration file was named, for messages.
func (r *reader) shownPath(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(filepath.Dir(r.file), p)
}

// readFile reads a regular file: a device or pipe named by mistake would hang the program
// or never end.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, reason(err)
	}
	if info.IsDir() {
		return nil, errors.New("this is a folder, not a file")
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("this is not an ordinary file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, reason(err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, reason(err)
	}
	if len(data) > maxFile {
		return nil, fmt.Errorf("the file is larger than %d MB", maxFile>>20)
	}
	return data, nil
}

// reason strips the path from a file system error: the message names it already.
func reason(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
