package pipeline

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"

	"github.com/kvitt/kvitt/load"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/pipeline/personal"
	kvsql "github.com/kvitt/kvitt/sql"
	"github.com/kvitt/kvitt/sql/duck"
	"github.com/kvitt/kvitt/transform"
)

// A Finding is one line of Verify: what was looked at, and what is wrong with it.
type Finding struct {
	What  string // "archive", "entries_balance", "published/ledger.duckdb"
	Says  string // what it proves
	Wrong []string
	Notes []string // worth knowing, and not wrong
}

// maxWrong is how many faults of one kind are listed.
const maxWrong = 20

// Verify checks everything that can be checked without asking anyone: the archive's bytes
// and chain, the invariants of the books, the published files, and what the target keeps.
// It changes nothing.
func (p *Project) Verify(ctx context.Context) ([]Finding, error) {
	lk, err := takeLock(p.DataDir, "verify", p.Now())
	if err != nil {
		return nil, err
	}
	defer lk.release()
	var out []Finding
	add := func(what, says string, wrong ...string) {
		// A file that was altered is always named; of rows that are wrong the first ones are enough.
		if len(wrong) > maxWrong && what != "published" {
			wrong = append(wrong[:maxWrong], fmt.Sprintf("and %d more", len(wrong)-maxWrong))
		}
		out = append(out, Finding{What: what, Says: says, Wrong: wrong})
	}

	arch, err := archive.Open(p.path("archive"), archive.Options{ReadOnly: true})
	if err != nil {
		add("archive", "every byte the sources sent is there, unchanged, and the runs are a chain", err.Error())
		return out, nil
	}
	var wrong []string
	_, err = arch.Verify(ctx, func(e *archive.Error) { wrong = append(wrong, e.Error()) })
	if err != nil {
		return out, err
	}
	add("archive", "every byte the sources sent is there, unchanged, and the runs are a chain", wrong...)

	if db, err := p.Reader(ctx); err == nil {
		noted, err := notedKeys(ctx, db)
		db.Close()
		wrong := personal.Check(p.path(personalDir), noted)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		for i, s := range wrong {
			wrong[i] = personalDir + "/" + s
		}
		add(personalDir, "the keys of what is about persons are what the archive remembers of them", wrong...)
	}

	complete := true
	if _, err := os.Stat(p.path("published", marker)); err != nil {
		complete = false
		add("published", "its writing was broken off; kvitt run completes it, and readers keep what was there before")
	}
	sums, wrong := p.checkPublished()
	if complete {
		add("published", "the published files are what the last run wrote", wrong...)
	}

	// The working database and its published copy are the same bytes after a run that
	// finished; after one that did not, the working one is looked at as well.
	files := []string{p.path("published", "ledger.duckdb")}
	if sum, err := fileSum(p.path("work.duckdb")); err != nil || sum != sums["ledger.duckdb"] {
		files = append(files, p.path("work.duckdb"))
		infos, e := arch.Runs()
		if e != nil {
			return out, e
		}
		if err == nil && complete && len(infos) > 0 && infos[len(infos)-1].Finished {
			add("work.duckdb", "the working database is what the last run left", "work.duckdb was altered; kvitt rebuild makes it anew")
		}
	}
	for _, f := range files {
		name, _ := filepath.Rel(p.DataDir, f)
		found, err := p.checkDatabase(ctx, f, arch)
		if err != nil {
			add(name, "the database can be read", err.Error())
			continue
		}
		for _, x := range found {
			x.What = name + ": " + x.What
			add(x.What, x.Says, x.Wrong...)
		}
	}
	if auditor, ok := p.Target.(load.Auditor); ok {
		wrong, err := p.checkTarget(ctx, auditor, arch)
		if err != nil {
			wrong = append(wrong, err.Error())
		}
		add(p.TargetName, "what was posted is kept, each voucher once, with the sums of the ledger", wrong...)
	}
	return out, nil
}

func (p *Project) checkDatabase(ctx context.Context, file string, arch *archive.Archive) ([]Finding, error) {
	if _, err := os.Stat(file); err != nil {
		return nil, err
	}
	db, err := duck.Open(ctx, file, duck.Options{ReadOnly: true, MemoryLimit: p.Memory, Sealed: true})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	var out []Finding
	for _, c := range kvsql.Checks() {
		f := Finding{What: c.Name, Says: c.Says}
		err := db.Each(ctx, c.Query, func(scan func(...any) error) error {
			var key, wrong string
			if err := scan(&key, &wrong); err != nil {
				return err
			}
			f.Wrong = append(f.Wrong, key+": "+wrong)
			return nil
		})
		if err != nil {
			f.Wrong = append(f.Wrong, err.Error())
		}
		out = append(out, f)
	}
	proof := Finding{What: "proof", Says: "what the ledger says a provider owes is what the provider and its documents say, but for what has a name"}
	unexplained, err := db.Texts(ctx, `select source || ' ' || currency || ' ' || date || ': the ledger is off by ' || unexplained || ', and nothing explains it'
		from recon.proof where unexplained <> 0 order by source, currency, date`)
	if proof.Wrong = unexplained; err != nil {
		proof.Wrong = append(proof.Wrong, err.Error())
	}
	out = append(out, proof)
	f := Finding{What: "digest", Says: "the ledger's digest is the one the last run left in the archive"}
	digest, err := transform.Digest(ctx, db)
	if err != nil {
		f.Wrong = append(f.Wrong, err.Error())
	} else {
		var said string
		if _, err := db.One(ctx, "select coalesce(ledger_digest, '') from runs order by run_no desc limit 1", nil, &said); err != nil {
			f.Wrong = append(f.Wrong, err.Error())
		} else if said != "" && said != digest {
			f.Wrong = append(f.Wrong, fmt.Sprintf("it is %s, its last run said %s", digest, said))
		}
		if m, err := arch.Last(); err == nil && m.RunID != "" {
			var n int64
			if n, err = db.Count(ctx, "select count(*) from runs where run_id = $id", duck.Named("id", m.RunID)); err == nil && n == 1 {
				var at string
				if _, err := db.One(ctx, "select ledger_digest from runs where run_id = $id", []any{duck.Named("id", m.RunID)}, &at); err == nil && at != m.LedgerDigest {
					f.Wrong = append(f.Wrong, fmt.Sprintf("run %s left %s, the archive says %s", m.RunID, at, m.LedgerDigest))
				}
			}
		}
	}
	return append(out, f), nil
}

// checkTarget compares what the target keeps with what the ledger says was posted.
func (p *Project) checkTarget(ctx context.Context, a load.Auditor, arch *archive.Archive) ([]string, error) {
	kept, errs := a.Audit(ctx)
	var wrong []string
	for _, e := range errs {
		wrong = append(wrong, e.Error())
	}
	db, err := p.Reader(ctx)
	if err != nil {
		return wrong, err
	}
	defer db.Close()
	posted := map[string]int64{}
	if err := db.Each(ctx, "select erp_document_id, amount_minor from erp_documents where status = 'posted' and target = $t", func(scan func(...any) error) error {
		var id string
		var n int64
		if err := scan(&id, &n); err != nil {
			return err
		}
		posted[id] = n
		return nil
	}, duck.Named("t", p.TargetName)); err != nil {
		return wrong, err
	}
	heads, err := chainHeads(arch)
	if err != nil {
		return wrong, err
	}
	for _, k := range kept {
		if head := heads.strange(k.Text); head != "" {
			wrong = append(wrong, fmt.Sprintf("%s: voucher %s was posted on an archive whose chain had the head %s; this archive never had it", k.Number, k.VoucherID, head))
		}
		n, ok := posted[k.VoucherID]
		switch {
		case !ok:
			wrong = append(wrong, fmt.Sprintf("%s: voucher %s is not known to have been posted; kvitt run takes its receipt if a post was interrupted", k.Number, k.VoucherID))
		case n != int64(k.Debit):
			wrong = append(wrong, fmt.Sprintf("%s: voucher %s has debits of %d minor units, the ledger posted %d", k.Number, k.VoucherID, k.Debit, n))
		}
		delete(posted, k.VoucherID)
	}
	for id := range posted {
		wrong = append(wrong, fmt.Sprintf("voucher %s was posted and is no longer there", id))
	}
	sort.Strings(wrong)
	return wrong, nil
}

// chainHeads are the heads that the archive's chain had, one for each run.
func chainHeads(arch *archive.Archive) (heads, error) {
	out := heads{}
	infos, err := arch.Runs()
	if err != nil {
		return nil, err
	}
	for _, info := range infos {
		if m, err := arch.Manifest(info.ID); err == nil {
			out[m.Digest.String()[:chainLen]] = true
		}
	}
	return out, nil
}

type heads map[string]bool

// strange returns the head that a voucher's text names when this archive never had it.
func (h heads) strange(text string) string {
	if named := chainRef.FindStringSubmatch(text); named != nil && !h[named[1]] {
		return named[1]
	}
	return ""
}

var chainRef = regexp.MustCompile(`, ` + chainWord + ` ([0-9a-f]{16})`)

// sumsFile lists the SHA-256 of every published file, as sha256sum -c reads it.
const sumsFile = "SHA256SUMS"

func (p *Project) readSums() map[string]string {
	sums := map[string]string{}
	f, err := os.Open(p.path("published", sumsFile))
	if err != nil {
		return sums
	}
	defer f.Close()
	sc := bufio.NewScanner(f)
	for sc.Scan() {
		if sum, name, ok := strings.Cut(sc.Text(), "  "); ok && !strings.HasPrefix(sum, "#") {
			sums[name] = sum
		}
	}
	return sums
}

const ownSum = "# the lines above: "

func (p *Project) writeSums(sums map[string]string) error {
	names := make([]string, 0, len(sums))
	for n := range sums {
		names = append(names, n)
	}
	sort.Strings(names)
	var b strings.Builder
	for _, n := range names {
		fmt.Fprintf(&b, "%s  %s\n", sums[n], n)
	}
	// The list's own sum, where sha256sum sees a comment.
	fmt.Fprintf(&b, "%s%x\n", ownSum, sha256.Sum256([]byte(b.String())))
	tmp := p.path("published", sumsFile+".tmp")
	if err := os.WriteFile(tmp, []byte(b.String()), 0o600); err != nil {
		return err
	}
	return os.Rename(tmp, p.path("published", sumsFile))
}

func (p *Project) checkPublished() (map[string]string, []string) {
	sums := p.readSums()
	if len(sums) == 0 {
		return sums, []string{"published/" + sumsFile + " is missing; kvitt run writes it"}
	}
	var wrong []string
	if b, err := os.ReadFile(p.path("published", sumsFile)); err != nil {
		wrong = append(wrong, err.Error())
	} else if i := strings.LastIndex(string(b), ownSum); i < 0 || string(b[i:]) != fmt.Sprintf("%s%x\n", ownSum, sha256.Sum256(b[:i])) {
		wrong = append(wrong, "published/"+sumsFile+" was altered")
	}
	for name, want := range sums {
		got, err := fileSum(p.path("published", filepath.FromSlash(name)))
		switch {
		case errors.Is(err, os.ErrNotExist):
			wrong = append(wrong, "published/"+name+" is missing")
		case err != nil:
			wrong = append(wrong, err.Error())
		case got != want:
			wrong = append(wrong, "published/"+name+" was altered")
		}
	}
	sort.Strings(wrong)
	return sums, wrong
}

func fileSum(path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}
