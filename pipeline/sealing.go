package pipeline

import (
	"context"
	"encoding/json"
	"fmt"
	"os"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline/archive"
	"github.com/kvitt/kvitt/pipeline/personal"
	"github.com/kvitt/kvitt/sql/duck"
)

// personalDir holds the keys of what is about persons, apart from the archive.
const personalDir = "personal"

// personalMeta is where the published ledger shows what the archive remembers of the keys, as personal/FILE in meta.
const personalMeta = "personal/"

func rulesOf(s extract.Source) personal.Rules {
	return personal.Rules{Keys: s.Personal, Not: s.NotPersonal}
}

// sealed is what is archived of a blob: what is about a person is encrypted with that person's key of the year.
func (w *work) sealed(src Source, b extract.Blob, year int) ([]byte, error) {
	return w.keys.JSON(b.Body, rulesOf(src.Connector), src.Name, year)
}

// sealedFile is sealed for a report file. A file with no such columns is archived as it lies there.
func (w *work) sealedFile(src Source, path string, size, modified int64) (as string, isSealed bool, err error) {
	rules := rulesOf(src.Connector)
	if len(rules.Keys) == 0 {
		return path, false, nil
	}
	in, err := os.Open(path)
	if err != nil {
		return "", false, err
	}
	defer in.Close()
	out, err := os.CreateTemp(w.path("spool"), "sealed-*.csv")
	if err != nil {
		return "", false, err
	}
	isSealed, err = w.keys.CSV(in, out, rules, src.Name, w.began.Year())
	if e := out.Close(); err == nil {
		err = e
	}
	if err == nil && isSealed {
		var st os.FileInfo
		if st, err = in.Stat(); err == nil && (st.Size() != size || st.ModTime().UnixNano() != modified) {
			err = archive.ErrChanged
		}
	}
	if err != nil || !isSealed {
		os.Remove(out.Name())
		return path, false, err
	}
	return out.Name(), true, nil
}

// commit makes what was archived durable, the keys before what is sealed with them.
func (w *work) commit() error {
	changed, err := w.keys.Commit()
	if err != nil {
		return err
	}
	if changed {
		if err := w.noteKeys(); err != nil {
			return err
		}
	}
	return w.run.Commit()
}

// noteKeys lets the archive remember where the files of keys end: what is altered there is found.
func (w *work) noteKeys() error {
	heads, err := w.keys.Heads()
	if err != nil {
		return err
	}
	b, err := json.Marshal(heads)
	if err != nil {
		return err
	}
	_, err = w.run.AddNote("personal_keys", b)
	return err
}

func (w *work) takeKeysNote(ctx context.Context, body []byte) error {
	var heads map[string]personal.Head
	if err := json.Unmarshal(body, &heads); err != nil {
		return fmt.Errorf("a note of the keys, in the archive: %w", err)
	}
	if err := w.db.Exec(ctx, "delete from meta where starts_with(name, $p)", duck.Named("p", personalMeta)); err != nil {
		return err
	}
	for name, h := range heads {
		if err := w.db.Exec(ctx, "insert into meta values ($name, $v)", duck.Named("name", personalMeta+name), duck.Named("v", fmt.Sprintf("%d %s", h.Size, h.Hash))); err != nil {
			return err
		}
	}
	return nil
}

// notedKeys is what the archive remembers of the files of keys.
func notedKeys(ctx context.Context, db *duck.DB) (map[string]personal.Head, error) {
	heads := map[string]personal.Head{}
	err := db.Each(ctx, "select substring(name, $n), value from meta where starts_with(name, $p)", func(scan func(...any) error) error {
		var name, v string
		if err := scan(&name, &v); err != nil {
			return err
		}
		var h personal.Head
		if _, err := fmt.Sscanf(v, "%d %s", &h.Size, &h.Hash); err != nil {
			return err
		}
		heads[name] = h
		return nil
	}, duck.Named("n", len(personalMeta)+1), duck.Named("p", personalMeta))
	return heads, err
}

// settleErasures finishes erasures that a kill broke off, and does those again that a restored backup undid.
func (w *work) settleErasures(ctx context.Context) error {
	var again []erasureNote
	if err := w.db.Each(ctx, "select note from erasures where kind = 'erase' order by erased_at", func(scan func(...any) error) error {
		var text string
		if err := scan(&text); err != nil {
			return err
		}
		var n erasureNote
		if err := json.Unmarshal([]byte(text), &n); err != nil {
			return err
		}
		again = append(again, n)
		return nil
	}); err != nil {
		return err
	}
	for _, n := range again {
		done, err := w.keys.IsErased(n.Lookups, n.Persons)
		if err != nil {
			return err
		}
		if done {
			continue
		}
		w.Log.Warn("a person who was erased had come back with old keys, and is erased again", "erasure", n.ID)
		if err := w.keys.Erase(n.Persons, n.Lookups); err != nil {
			return err
		}
		if err := w.noteKeys(); err != nil {
			return err
		}
	}
	return nil
}
