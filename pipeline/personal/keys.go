// Package personal seals what is about a person before it is archived, under a key of that
// person's own, and forgets the person by forgetting the key.
//
// What a source sent keeps its shape: each value about a person is replaced, in place, by a
// token that holds the value encrypted ("kvitt:…"). The archive's digests are over such bytes,
// and everything after it reads them, so that a key that is gone changes no balance and no digest.
//
// The keys are in one folder, apart from the archive:
//
//	secret      what identities are hashed with: an e-mail address is never written down
//	keys-2026   the keys of persons in what was fetched in 2026, and the hashes they are found by
//	erased      hashes of those who were erased: what comes of them later is not kept either
//
// A file grows at its end; each commit ends with a line that holds the hash of everything before it,
// which package pipeline notes in the archive, so that an altered file is told from an erased person.
// To erase someone, a file is written anew without them. A year's file goes when its time is over.
package personal

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/pipeline/durable"
)

// mark begins every token. Erased stands for the value of someone who was erased.
const (
	mark   = "kvitt:"
	Erased = mark + "erased"
)

const (
	idLen     = 8
	ivLen     = 16
	keyLen    = 32
	lookupLen = 16

	header     = "kvitt personal keys 1\n"
	secretName = "secret"
	erasedName = "erased"
	yearPrefix = "keys-"
)

var b64 = base64.RawURLEncoding

// A Head says where a file of keys ends, and the hash of what is before.
type Head struct {
	Size int64  `json:"size"`
	Hash string `json:"hash"`
}

// A Person is one person's key for one year.
type Person struct {
	Year int
	ID   string
}

// Keys is the folder of keys. One process writes to it at a time: the caller holds a lock.
type Keys struct {
	dir      string
	readOnly bool
	secret   []byte
	years    map[int]*file
	erased   *file
	changed  bool // since the last Commit
}

// A file is one file of keys, in memory.
type file struct {
	name    string
	size    int64 // committed
	hash    string
	pending bytes.Buffer

	keys    map[string][]byte   // by ID
	of      map[string][]string // lookup: IDs
	lookups map[string][]string // ID: lookups
}

// Open opens the folder. It is made, with its secret, when the first value is sealed.
//
// Errors: the file system's; ErrDamaged.
func Open(dir string, readOnly bool) (*Keys, error) {
	k := &Keys{dir: dir, readOnly: readOnly, years: map[int]*file{}}
	b, err := os.ReadFile(filepath.Join(dir, secretName))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return k, nil
	case err != nil:
		return nil, fmt.Errorf("personal data: %w", err)
	}
	if k.secret, err = hex.DecodeString(strings.TrimSpace(string(b))); err != nil || len(k.secret) != keyLen {
		return nil, fmt.Errorf("personal data: %s is %w", filepath.Join(dir, secretName), ErrDamaged)
	}
	return k, nil
}

// ErrDamaged is returned for a file of keys that is not as it was written.
var ErrDamaged = errors.New("damaged")

// needSecret makes the folder and its secret when there is none yet.
func (k *Keys) needSecret() error {
	if k.secret != nil {
		return nil
	}
	if k.readOnly {
		return errors.New("personal data: there are no keys")
	}
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return err
	}
	secret := random(keyLen)
	if err := durable.Write(filepath.Join(k.dir, secretName), []byte(hex.EncodeToString(secret)+"\n")); err != nil {
		return err
	}
	k.secret, k.changed = secret, true
	return nil
}

func random(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: crypto/rand ends the program instead
	return b
}

// lookup is the hash that an identity is found by.
func (k *Keys) lookup(identity string) string {
	m := hmac.New(sha256.New, k.secret)
	m.Write([]byte(identity))
	return identity[:1] + b64.EncodeToString(m.Sum(nil)[:lookupLen])
}

// year returns the file of a year, read when it is first needed.
func (k *Keys) year(y int) (*file, error) {
	if f, ok := k.years[y]; ok {
		return f, nil
	}
	f, err := k.load(yearPrefix + strconv.Itoa(y))
	if err != nil {
		return nil, err
	}
	k.years[y] = f
	return f, nil
}

func (k *Keys) load(name string) (*file, error) {
	f := &file{name: name, keys: map[string][]byte{}, of: map[string][]string{}, lookups: map[string][]string{}}
	b, err := os.ReadFile(filepath.Join(k.dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return nil, fmt.Errorf("personal data: %w", err)
	}
	head, _ := walk(b, func(line string) {
		kind, rest, _ := strings.Cut(line, " ")
		one, two, _ := strings.Cut(rest, " ")
		switch kind {
		case "k":
			if key, err := b64.DecodeString(two); err == nil && len(key) == keyLen {
				f.keys[one] = key
			}
		case "l":
			f.link(one, two)
		case "e":
			f.of[one] = []string{}
		}
	})
	f.size, f.hash = head.Size, head.Hash
	if len(b) > 0 && head.Size == 0 && !k.readOnly {
		// Nothing of it was ever committed, or its first bytes are not ours.
		if !strings.HasPrefix(header, string(b[:min(len(b), len(header))])) {
			return nil, fmt.Errorf("personal data: %s is %w", filepath.Join(k.dir, name), ErrDamaged)
		}
	}
	return f, nil
}

func (f *file) link(lookup, id string) {
	f.of[lookup] = append(f.of[lookup], id)
	f.lookups[id] = append(f.lookups[id], lookup)
}

// walk goes through the committed lines of a file and returns where they end. What follows was not committed; rest
// is its length. A line of commit that does not fit what is before it ends the walk: what is after it is not believed.
func walk(b []byte, line func(string)) (head Head, rest int64) {
	if !bytes.HasPrefix(b, []byte(header)) {
		return Head{}, int64(len(b))
	}
	hash, from, at := "", 0, len(header)
	var lines []string
	for at < len(b) {
		end := bytes.IndexByte(b[at:], '\n')
		if end < 0 {
			break
		}
		text := string(b[at : at+end])
		if sum, ok := strings.CutPrefix(text, "h "); ok {
			if sum != chain(hash, b[from:at]) {
				break
			}
			hash, from = sum, at+end+1
			for _, l := range lines {
				line(l)
			}
			lines = lines[:0]
			head = Head{Size: int64(from), Hash: hash}
		} else if line != nil {
			lines = append(lines, text)
		}
		at += end + 1
	}
	return head, int64(len(b)) - head.Size
}

func chain(before string, b []byte) string {
	h := sha256.New()
	h.Write([]byte(before))
	h.Write(b)
	return hex.EncodeToString(h.Sum(nil))
}

// person returns who has the first identity, made when there is nobody yet, and lets the others lead there too. It is ""
// for someone who was erased.
func (k *Keys) person(year int, primary string, others []string) (id string, key []byte, err error) {
	if err := k.needSecret(); err != nil {
		return "", nil, err
	}
	if k.erased == nil {
		if k.erased, err = k.load(erasedName); err != nil {
			return "", nil, err
		}
	}
	f, err := k.year(year)
	if err != nil {
		return "", nil, err
	}
	first := k.lookup(primary)
	if _, gone := k.erased.of[first]; gone {
		return "", nil, nil
	}
	if ids := f.of[first]; len(ids) > 0 {
		id = ids[0]
		key = f.keys[id]
	} else {
		id, key = b64.EncodeToString(random(idLen)), random(keyLen)
		f.keys[id] = key
		fmt.Fprintf(&f.pending, "k %s %s\n", id, b64.EncodeToString(key))
		k.addLink(f, first, id)
	}
	for _, other := range others {
		if l := k.lookup(other); !slices.Contains(f.of[l], id) {
			k.addLink(f, l, id)
		}
	}
	return id, key, nil
}

func (k *Keys) addLink(f *file, lookup, id string) {
	f.link(lookup, id)
	fmt.Fprintf(&f.pending, "l %s %s\n", lookup, id)
	k.changed = true
}

// Commit makes the keys made so far durable, before anything that is sealed with them is. It reports whether
// there were any.
func (k *Keys) Commit() (changed bool, err error) {
	if !k.changed {
		return false, nil
	}
	for _, y := range slices.Sorted(maps.Keys(k.years)) {
		if err := k.append(k.years[y]); err != nil {
			return false, err
		}
	}
	if k.erased != nil {
		if err := k.append(k.erased); err != nil {
			return false, err
		}
	}
	k.changed = false
	return true, durable.SyncDir(k.dir)
}

func (k *Keys) append(f *file) error {
	if f.pending.Len() == 0 {
		return nil
	}
	body := f.pending.Bytes()
	if f.size == 0 {
		body = append([]byte(header), body...)
	}
	sum := chain(f.hash, body)
	body = append(body, "h "+sum+"\n"...)
	out, err := os.OpenFile(filepath.Join(k.dir, f.name), os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	err = out.Truncate(f.size) // what a kill left behind
	if err == nil {
		_, err = out.WriteAt(body, f.size)
	}
	if err == nil {
		err = out.Sync()
	}
	if e := out.Close(); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("personal data: %w", err)
	}
	f.size, f.hash = f.size+int64(len(body)), sum
	f.pending.Reset()
	return nil
}

// allYears loads every file of keys.
func (k *Keys) allYears() ([]int, error) {
	items, err := os.ReadDir(k.dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, it := range items {
		if y, err := strconv.Atoi(strings.TrimPrefix(it.Name(), yearPrefix)); err == nil && strings.HasPrefix(it.Name(), yearPrefix) {
			if _, err := k.year(y); err != nil {
				return nil, err
			}
		}
	}
	return slices.Sorted(maps.Keys(k.years)), nil
}

// Years lists the years there are keys of.
func (k *Keys) Years() ([]int, error) {
	all, err := k.allYears()
	return slices.DeleteFunc(all, func(y int) bool { return len(k.years[y].keys) == 0 }), err
}

// Find returns the persons who have an identity: see Email, Phone, NationalID.
func (k *Keys) Find(identity string) ([]Person, error) {
	if k.secret == nil {
		return nil, nil
	}
	years, err := k.allYears()
	if err != nil {
		return nil, err
	}
	l := k.lookup(identity)
	var out []Person
	for _, y := range years {
		for _, id := range k.years[y].of[l] {
			if k.years[y].keys[id] != nil {
				out = append(out, Person{y, id})
			}
		}
	}
	return out, nil
}

// Known returns the persons of ids that a key is kept of.
func (k *Keys) Known(ids []string) ([]Person, error) {
	years, err := k.allYears()
	if err != nil {
		return nil, err
	}
	var out []Person
	for _, id := range ids {
		for _, y := range years {
			if k.years[y].keys[id] != nil {
				out = append(out, Person{y, id})
			}
		}
	}
	return out, nil
}

// All returns every person of a year.
func (k *Keys) All(year int) ([]Person, error) {
	f, err := k.year(year)
	if err != nil {
		return nil, err
	}
	var out []Person
	for _, id := range slices.Sorted(maps.Keys(f.keys)) {
		out = append(out, Person{year, id})
	}
	return out, nil
}

// Lookups returns the hashes that a person is found by. HasEmail tells by whether one of them is of an e-mail address.
func (k *Keys) Lookups(p Person) []string { return k.years[p.Year].lookups[p.ID] }

// HasEmail reports whether a person is known by an e-mail address, and not only by an order.
func (k *Keys) HasEmail(p Person) bool {
	return slices.ContainsFunc(k.Lookups(p), func(l string) bool { return strings.HasPrefix(l, "e") })
}

// Same returns everyone who is found by the first hash that one of ps is found by: the same person in other years.
func (k *Keys) Same(ps []Person) []Person {
	seen := map[Person]bool{}
	var out []Person
	add := func(p Person) {
		if !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	for _, p := range ps {
		add(p)
		ls := k.Lookups(p)
		if len(ls) == 0 {
			continue
		}
		for _, y := range slices.Sorted(maps.Keys(k.years)) {
			for _, id := range k.years[y].of[ls[0]] {
				if k.years[y].keys[id] != nil && k.years[y].lookups[id][0] == ls[0] {
					add(Person{y, id})
				}
			}
		}
	}
	return out
}

// Hash is what stands for an identity where it must not be written down.
func (k *Keys) Hash(identity string) (string, error) {
	if err := k.needSecret(); err != nil {
		return "", err
	}
	return k.lookup(identity), nil
}

// IsErased reports whether everyone with these hashes was erased, and nothing of it is left.
func (k *Keys) IsErased(lookups, ids []string) (bool, error) {
	if k.erased == nil {
		var err error
		if k.erased, err = k.load(erasedName); err != nil {
			return false, err
		}
	}
	for _, l := range lookups {
		if _, ok := k.erased.of[l]; !ok {
			return false, nil
		}
	}
	left, err := k.Known(ids)
	return len(left) == 0, err
}

// Erase destroys the keys of ids and remembers lookups, so that nothing of those persons is kept again.
// Lookups may be nil: then what comes later is kept under new keys.
func (k *Keys) Erase(ids, lookups []string) error {
	if err := k.needSecret(); err != nil {
		return err
	}
	if k.erased == nil {
		var err error
		if k.erased, err = k.load(erasedName); err != nil {
			return err
		}
	}
	for _, l := range lookups {
		if _, ok := k.erased.of[l]; !ok {
			k.erased.of[l] = []string{}
			fmt.Fprintf(&k.erased.pending, "e %s\n", l)
			k.changed = true
		}
	}
	// First nobody can be kept anew, then the keys go: a kill between leaves what the next run finishes.
	if _, err := k.Commit(); err != nil {
		return err
	}
	years, err := k.allYears()
	if err != nil {
		return err
	}
	gone := map[string]bool{}
	for _, id := range ids {
		gone[id] = true
	}
	for _, y := range years {
		f := k.years[y]
		if slices.ContainsFunc(ids, func(id string) bool { return f.keys[id] != nil }) {
			if k.years[y], err = k.rewrite(f, gone); err != nil {
				return err
			}
		}
	}
	return nil
}

// rewrite writes a file anew without those who are gone.
func (k *Keys) rewrite(f *file, gone map[string]bool) (*file, error) {
	path := filepath.Join(k.dir, f.name)
	var b bytes.Buffer
	b.WriteString(header)
	n := 0
	for _, id := range slices.Sorted(maps.Keys(f.keys)) {
		if gone[id] {
			continue
		}
		n++
		fmt.Fprintf(&b, "k %s %s\n", id, b64.EncodeToString(f.keys[id]))
		for _, l := range f.lookups[id] {
			fmt.Fprintf(&b, "l %s %s\n", l, id)
		}
	}
	// What the file held is overwritten once nothing needs it: on a disk that writes in place nothing of it is left.
	old, err := os.OpenFile(path, os.O_WRONLY, 0)
	if err != nil {
		return nil, err
	}
	defer old.Close()
	if n == 0 {
		err = os.Remove(path)
	} else {
		fmt.Fprintf(&b, "h %s\n", chain("", b.Bytes()))
		err = durable.Write(path, b.Bytes())
	}
	if err == nil {
		err = wipe(old)
	}
	if err != nil {
		return nil, err
	}
	return k.load(f.name)
}

// Heads are the ends of all files, for the archive to remember.
func (k *Keys) Heads() (map[string]Head, error) {
	if k.secret == nil {
		return nil, nil
	}
	secret := hex.EncodeToString(k.secret) + "\n"
	heads := map[string]Head{secretName: {Size: int64(len(secret)), Hash: chain("", []byte(secret))}}
	years, err := k.allYears()
	if err != nil {
		return nil, err
	}
	for _, y := range years {
		if f := k.years[y]; f.size > 0 {
			heads[f.name] = Head{f.size, f.hash}
		}
	}
	if k.erased == nil {
		if k.erased, err = k.load(erasedName); err != nil {
			return nil, err
		}
	}
	if k.erased.size > 0 {
		heads[erasedName] = Head{k.erased.size, k.erased.hash}
	}
	return heads, nil
}

// Check compares the files in dir with what the archive remembers of them, and says what is wrong.
func Check(dir string, noted map[string]Head) []string {
	var wrong []string
	for _, name := range slices.Sorted(maps.Keys(noted)) {
		want := noted[name]
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) {
			wrong = append(wrong, name+" is missing: what was sealed with it cannot be read again (the books do not need it)")
			continue
		} else if err != nil {
			wrong = append(wrong, err.Error())
			continue
		}
		if name == secretName {
			if chain("", b) != want.Hash {
				wrong = append(wrong, name+" was altered")
			}
			continue
		}
		// A later run may have added to it and been cut off before the archive knew.
		good := int64(len(b)) >= want.Size
		if good {
			head, _ := walk(b[:want.Size], nil2)
			good = head == want
		}
		if _, rest := walk(b, nil2); good && rest > 0 && bytes.Contains(b[int64(len(b))-rest:], []byte("\nh ")) {
			good = false // something after what is noted was committed and does not fit
		}
		if !good {
			wrong = append(wrong, name+" was altered")
		}
	}
	items, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return append(wrong, err.Error())
	}
	for _, it := range items {
		if _, ok := noted[it.Name()]; !ok && strings.HasPrefix(it.Name(), yearPrefix) {
			if b, err := os.ReadFile(filepath.Join(dir, it.Name())); err != nil {
				wrong = append(wrong, err.Error())
			} else if head, rest := walk(b, nil2); head.Size == 0 && rest > int64(len(header)) {
				wrong = append(wrong, it.Name()+" is not known to the archive, and not as kvitt writes it")
			}
		}
	}
	return wrong
}

func nil2(string) {}

// cipherOf returns what encrypts with a key. A value is always encrypted alike, so that the same bytes fetched again are
// the same bytes in the archive; what tells equal values apart is nobody's business but their person's.
func cipherOf(key []byte) (enc cipher.Block, mac []byte) {
	sum := func(what string) []byte {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(what))
		return m.Sum(nil)
	}
	enc, err := aes.NewCipher(sum("encrypt"))
	if err != nil {
		panic(err) // the key has the right length
	}
	return enc, sum("iv")
}

// seal makes a token of a value.
func seal(id string, block cipher.Block, mac, value []byte) string {
	iv := ivOf(mac, value)
	out := make([]byte, ivLen+len(value))
	copy(out, iv)
	cipher.NewCTR(block, iv).XORKeyStream(out[ivLen:], value)
	return mark + id + b64.EncodeToString(out)
}

func ivOf(mac, value []byte) []byte {
	m := hmac.New(sha256.New, mac)
	m.Write(value)
	return m.Sum(nil)[:ivLen]
}

// open returns the value in a token, and whether its key is still there.
func (k *Keys) open(token string) ([]byte, bool) {
	id, rest := split(token)
	if id == "" {
		return nil, false
	}
	for _, f := range k.years {
		key := f.keys[id]
		if key == nil {
			continue
		}
		in, err := b64.DecodeString(rest)
		if err != nil || len(in) < ivLen {
			return nil, false
		}
		block, mac := cipherOf(key)
		out := make([]byte, len(in)-ivLen)
		cipher.NewCTR(block, in[:ivLen]).XORKeyStream(out, in[ivLen:])
		return out, hmac.Equal(ivOf(mac, out), in[:ivLen])
	}
	return nil, false
}

var idText = b64.EncodedLen(idLen)

// split parts a token into the person's ID and what is encrypted.
func split(token string) (id, rest string) {
	t, ok := strings.CutPrefix(token, mark)
	if !ok || len(t) < idText+b64.EncodedLen(ivLen) {
		return "", ""
	}
	return t[:idText], t[idText:]
}

// wipe overwrites a file with zeros.
func wipe(f *os.File) error {
	st, err := f.Stat()
	if err != nil {
		return err
	}
	zero := make([]byte, 1<<16)
	for at := int64(0); at < st.Size(); at += int64(len(zero)) {
		if _, err := f.WriteAt(zero[:min(st.Size()-at, int64(len(zero)))], at); err != nil {
			return err
		}
	}
	return f.Sync()
}
