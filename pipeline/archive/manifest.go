package archive

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"
)

const manifestFormat = 1

// A Manifest closes a run. Those after Status are filled in by Finish.
type Manifest struct {
	Format        int              `json:"format"`
	RunID         string           `json:"run_id"`
	Command       string           `json:"command"`
	By            string           `json:"by,omitempty"` // who ran it
	StartedAt     time.Time        `json:"started_at"`
	FinishedAt    time.Time        `json:"finished_at"`
	CodeVersion   string           `json:"code_version"`
	ConfigDigest  string           `json:"config_digest"`
	LedgerDigest  string           `json:"ledger_digest"`
	JournalDigest string           `json:"journal_digest"`
	Entries       int64            `json:"entries"`
	Postings      int64            `json:"postings"`
	Counts        map[string]int64 `json:"counts,omitempty"`
	DebitMinor    int64            `json:"debit_minor"` // what this run booked on the debit side, minor units of the company's currency; lines of one payout, class and account are netted
	Status        string           `json:"status"`

	Records     int64  `json:"records"`  // lines of this run's index
	LastSeq     int64  `json:"last_seq"` // of the archive, up to and with this run; 0 before the first blob
	IndexSHA256 Digest `json:"index_sha256"`
	IndexSize   int64  `json:"index_size"` // bytes
	BlobsSHA256 Digest `json:"blobs_sha256"`
	BlobsSize   int64  `json:"blobs_size"` // bytes

	// The chain: the finished run before this one and the SHA-256 of its manifest.json,
	// both "" in the first; and the runs between them that crashed.
	PreviousRun string        `json:"previous_run"`
	Previous    Digest        `json:"previous"`
	Interrupted []Interrupted `json:"interrupted,omitempty"`

	Digest Digest `json:"-"` // SHA-256 of this manifest.json
}

// Interrupted is what a manifest says about a run without one.
type Interrupted struct {
	RunID       string `json:"run_id"`
	IndexSHA256 Digest `json:"index_sha256"` // of no bytes when it has no index
	IndexSize   int64  `json:"index_size"`   // bytes
}

// encodeManifest returns m as a file. Its last member is the SHA-256 of all bytes before
// that member, so that an altered bit shows even in the newest manifest, which no other
// refers to yet.
func encodeManifest(m Manifest) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(m); err != nil {
		return nil, err
	}
	return appendSelf(bytes.TrimSuffix(b.Bytes(), []byte("\n}\n"))), nil
}

const selfName = ",\n  \"self_sha256\": "

func appendSelf(body []byte) []byte {
	return fmt.Appendf(body, "%s\"%x\"\n}\n", selfName, sha256.Sum256(body))
}

// decodeManifest reads what encodeManifest wrote. The Digest is set whatever the error.
func decodeManifest(data []byte) (m Manifest, err error) {
	digest := Digest(sha256.Sum256(data))
	defer func() { m.Digest = digest }()
	i := bytes.LastIndex(data, []byte(selfName))
	if i < 0 || !bytes.Equal(data, appendSelf(data[:i:i])) {
		return Manifest{}, errors.New("checksum does not match")
	}
	if err := json.Unmarshal(data, &m); err != nil {
		return Manifest{}, err
	}
	if m.Format > manifestFormat {
		return Manifest{}, fmt.Errorf("%w: format %d", ErrFormat, m.Format)
	}
	return m, nil
}

// readManifest reads the manifest of a run. The Digest is set if there is a file.
//
// Errors: *Error, wrapping fs.ErrNotExist, ErrAltered or ErrFormat where one fits.
func readManifest(path, runID string) (Manifest, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return Manifest{}, &Error{File: path, Offset: -1, Err: err}
	}
	m, err := decodeManifest(data)
	switch {
	case errors.Is(err, ErrFormat):
		return m, &Error{File: path, Offset: -1, Err: err, Do: "use the version of kvitt that wrote it, or a newer one"}
	case err != nil:
		return m, altered(path, -1, "%w", err)
	case m.RunID != runID:
		return m, altered(path, -1, "it is the manifest of run %s", m.RunID)
	}
	return m, nil
}
