package console

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// An auditRow says who did what, when, and what came of it. Rows are added and never
// changed; each carries the hash of the one before it, so that one taken out is seen.
type auditRow struct {
	At      time.Time         `json:"at"`
	Action  string            `json:"action"`
	Who     string            `json:"who,omitempty"`
	Roles   []Role            `json:"roles,omitempty"`
	From    string            `json:"from,omitempty"` // address
	Path    string            `json:"path,omitempty"`
	With    map[string]string `json:"with,omitempty"` // the form, without secrets
	Outcome string            `json:"outcome"`
	Before  string            `json:"before"` // SHA-256 of the row before, as it stands in the file
}

// An auditFile is DATA_DIR/audit.jsonl. It belongs to what cannot be derived.
type auditFile struct {
	mu   sync.Mutex
	path string
	last string // hash of the last row
}

// openAudit reads the end of the file at path, or makes an empty one. A last row that a power
// cut left half written is closed with a line feed and stays as evidence.
func openAudit(path string) (*auditFile, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	a := &auditFile{path: path}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil || st.Size() == 0 {
		return a, err
	}
	tail := make([]byte, min(st.Size(), 64<<10))
	if _, err := f.ReadAt(tail, st.Size()-int64(len(tail))); err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(tail, []byte("\n")) {
		if _, err := f.WriteString("\n"); err != nil {
			return nil, err
		}
		tail = append(tail, '\n')
	}
	lines := bytes.Split(bytes.TrimSuffix(tail, []byte("\n")), []byte("\n"))
	a.last = hashOf(lines[len(lines)-1])
	return a, nil
}

func hashOf(line []byte) string {
	sum := sha256.Sum256(line)
	return hex.EncodeToString(sum[:])
}

// add writes a row and returns when it is on disk.
func (a *auditFile) add(now time.Time, row auditRow) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	row.At, row.Before = now.UTC().Truncate(time.Millisecond), a.last
	line, err := json.Marshal(row)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(a.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if _, err := f.Write(append(line, '\n')); err != nil {
		f.Close()
		return err
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	a.last = hashOf(line)
	return nil
}

// rows returns the last n rows, the newest first, and whether the chain of what was read holds.
func (a *auditFile) rows(n int) (rows []auditRow, whole bool, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	f, err := os.Open(a.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, true, nil
	}
	if err != nil {
		return nil, false, err
	}
	defer f.Close()
	whole = true
	before := ""
	sc := bufio.NewScanner(f)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		var r auditRow
		if err := json.Unmarshal(sc.Bytes(), &r); err != nil {
			whole = false
			before = hashOf(sc.Bytes())
			continue
		}
		whole = whole && r.Before == before
		before = hashOf(sc.Bytes())
		rows = append(rows, r)
		if len(rows) > 2*n {
			rows = append(rows[:0:0], rows[len(rows)-n:]...)
		}
	}
	if err := sc.Err(); err != nil {
		return nil, false, fmt.Errorf("%s: %w", a.path, err)
	}
	if len(rows) > n {
		rows = rows[len(rows)-n:]
	}
	for i, j := 0, len(rows)-1; i < j; i, j = i+1, j-1 {
		rows[i], rows[j] = rows[j], rows[i]
	}
	return rows, whole, nil
}
