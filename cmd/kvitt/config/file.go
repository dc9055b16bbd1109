package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/kvitt/kvitt/extract"
)

// A File is a configuration that a program adds to. What a person wrote in it stays as it is,
// with its remarks and its order: blocks are added at the end, and nothing is ever rewritten.
type File struct {
	path    string
	env     func(string) (string, bool)
	sources []extract.Source
	opts    []Option
	mu      sync.Mutex
}

// NewFile returns the configuration file at path, which need not be there yet. The
// parameters are those of Load.
func NewFile(path string, env func(string) (string, bool), sources []extract.Source, opts ...Option) *File {
	return &File{path: path, env: env, sources: sources, opts: opts}
}

// Path returns the path as given.
func (f *File) Path() string { return f.path }

// Providers returns what a new [[source]] may be.
func (f *File) Providers() []extract.Source { return f.sources }

// Add adds block at the end of the file. A file that was valid must be valid with it; of one that
// was not, nothing may be wrong in what is added. Secrets, by path below the file's folder, are
// written first, for their owner only to read; they replace nothing. When Add returns an error
// nothing has changed.
func (f *File) Add(block string, secrets map[string]string) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path := f.path
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real // the file itself, not the link to it
	}
	old, err := readFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var written []string
	defer func() {
		if err != nil {
			for _, w := range written {
				os.Remove(w)
			}
		}
	}()
	for name, value := range secrets {
		p, err := f.addSecret(filepath.Dir(path), name, value)
		if err != nil {
			return err
		}
		written = append(written, p)
	}
	body := old
	if len(body) > 0 && !bytes.HasSuffix(body, []byte("\n")) {
		body = append(bytes.Clone(body), '\n')
	}
	begins := bytes.Count(body, []byte("\n")) + 1
	candidate := append(bytes.Clone(body), block...)
	if _, err := parseConfig(f.path, candidate, f.env, f.sources, f.opts...); err != nil {
		_, before := parseConfig(f.path, old, f.env, f.sources, f.opts...)
		if mine := newIn(err, before, f.path, begins); before == nil || len(mine) > 0 {
			if len(mine) > 0 {
				return mine
			}
			return err
		}
	}
	return replaceFile(path, candidate, 0o600)
}

// newIn keeps the problems from line on that were not there before: what the file lacks is said
// of its first line.
func newIn(err, before error, path string, line int) Errors {
	var all, old, out Errors
	errors.As(before, &old)
	if !errors.As(err, &all) {
		return Errors{{File: path, Message: err.Error(), cause: err}}
	}
	for _, e := range all {
		known := slices.ContainsFunc(old, func(o *Error) bool { return o.Key == e.Key && o.Message == e.Message })
		if e.File == path && e.Line >= line && !known {
			out = append(out, e)
		}
	}
	return out
}

// addSecret writes a secret into a new file below dir.
func (f *File) addSecret(dir, name, value string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("%q is no path for a secret", name)
	}
	p := filepath.Join(dir, name)
	if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
		return "", err
	}
	w, err := os.OpenFile(p, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return "", fmt.Errorf("%s is there already: take another name for the source, or move that file away", name)
	}
	if err != nil {
		return "", err
	}
	_, err = w.WriteString(value + "\n")
	if err = errors.Join(err, w.Sync(), w.Close()); err != nil {
		os.Remove(p)
		return "", err
	}
	return p, nil
}

// SalesFile returns the path of sales_file as written and what the file holds. The path is ""
// when the configuration has none.
func (f *File) SalesFile() (path string, body []byte, err error) {
	at, shown, err := f.salesFile()
	if err != nil || at == "" {
		return "", nil, err
	}
	if body, err = readFile(at); errors.Is(err, fs.ErrNotExist) {
		return shown, nil, nil
	}
	return shown, body, err
}

// salesFile returns where sales_file is, and how it is written.
func (f *File) salesFile() (at, shown string, err error) {
	data, err := readFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return "", "", nil
	}
	if err != nil {
		return "", "", err
	}
	root, problems := parse(f.path, data)
	if problems != nil {
		return "", "", problems
	}
	v := root.table["sales_file"]
	if v == nil || v.kind != stringKind || v.text == "" {
		return "", "", nil
	}
	if filepath.IsAbs(v.text) {
		return v.text, v.text, nil
	}
	return filepath.Join(filepath.Dir(f.path), v.text), v.text, nil
}

// WriteSales replaces what sales_file holds and returns how many rows of [[sales]] there are
// then. A table that the configuration is not valid with is not kept.
func (f *File) WriteSales(body []byte) (rows int, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	at, _, err := f.salesFile()
	if err != nil {
		return 0, err
	}
	if at == "" {
		return 0, errors.New("the configuration has no sales_file")
	}
	old, err := readFile(at)
	missing := errors.Is(err, fs.ErrNotExist)
	if err != nil && !missing {
		return 0, err
	}
	if err := replaceFile(at, body, 0o644); err != nil {
		return 0, err
	}
	c, err := Load(f.path, f.env, f.sources, f.opts...)
	if err == nil {
		return len(c.Settings.Sales), nil
	}
	// A run that began in between has read a configuration that was not valid, and said so.
	if missing {
		return 0, errors.Join(err, os.Remove(at))
	}
	if back := replaceFile(at, old, 0o644); back != nil {
		return 0, fmt.Errorf("%w; and the table that was there cannot be put back: %w", err, back)
	}
	return 0, err
}

// replaceFile writes a file beside path and renames it over path: readers see one or the other.
// A file that is there keeps its mode.
func replaceFile(path string, body []byte, mode fs.FileMode) error {
	if st, err := os.Stat(path); err == nil {
		mode = st.Mode().Perm()
	}
	w, err := os.CreateTemp(filepath.Dir(path), strings.TrimPrefix(filepath.Base(path), ".")+".*")
	if err != nil {
		return err
	}
	defer os.Remove(w.Name())
	_, err = w.Write(body)
	if err = errors.Join(err, w.Chmod(mode), w.Sync(), w.Close()); err != nil {
		return err
	}
	return os.Rename(w.Name(), path)
}
