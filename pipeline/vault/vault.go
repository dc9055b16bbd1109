// Package vault keeps what must be remembered between runs and must not be read by
// others: OAuth tokens. One file per name, encrypted with age, replaced as a whole and
// synced before it counts.
//
// Two processes never change one name at the same time: Update holds a lock of the kernel
// from before it reads until what it wrote is on disk. That makes a refresh token that
// may be used once safe: exchange it inside Update.
//
// The key is one of
//
//   - an age identity (AGE-SECRET-KEY-1…), from a key file, a keyring or the environment;
//   - any other text, a passphrase: it unlocks an identity that the vault makes for itself;
//   - nothing: New then makes a key file at the path it is given, readable by its owner only.
package vault

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"time"

	"filippo.io/age"
	"golang.org/x/sys/unix"

	"github.com/kvitt/kvitt/pipeline/durable"
)

// ErrKey is returned when what is kept was encrypted with another key.
var ErrKey = errors.New("the vault's key does not open it")

// Options say where a vault is and what opens it.
type Options struct {
	Dir     string // made when first needed, 0700
	Key     string // an age identity or a passphrase; "" uses KeyFile
	KeyFile string // holds an age identity; made when it is missing
}

// A Vault is a folder of encrypted files. It may be used from many goroutines and processes.
type Vault struct {
	o Options

	mu sync.Mutex // of id
	id *age.X25519Identity
}

// New returns the vault of o. It touches nothing yet.
func New(o Options) *Vault { return &Vault{o: o} }

// Update hands change the bytes kept under name, nil if there are none, and keeps what it
// returns; nil forgets the name. See extract.Vault.
//
// Errors: ErrKey, those of change, the file system's, ctx's while it waits for the lock.
func (v *Vault) Update(ctx context.Context, name string, change func(kept []byte) ([]byte, error)) error {
	if name == "" {
		return errors.New("vault: no name")
	}
	if err := os.MkdirAll(v.o.Dir, 0o700); err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	path := filepath.Join(v.o.Dir, fileName(name))
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return fmt.Errorf("vault: %s: %w", name, err)
	}
	defer unlock()
	id, err := v.identity(ctx)
	if err != nil {
		return fmt.Errorf("vault: %w", err)
	}
	kept, err := read(path, id)
	if err != nil {
		return fmt.Errorf("vault: %s: %w", name, err)
	}
	next, err := change(bytes.Clone(kept))
	if err != nil {
		return err
	}
	switch {
	case next == nil && kept == nil, next != nil && kept != nil && bytes.Equal(next, kept):
		return nil
	case next == nil:
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("vault: %s: %w", name, err)
		}
		return durable.SyncDir(v.o.Dir)
	}
	if err := write(path, next, id.Recipient()); err != nil {
		return fmt.Errorf("vault: %s: %w", name, err)
	}
	return nil
}

// identity returns what opens the files, making it when this is the vault's first use.
func (v *Vault) identity(ctx context.Context) (*age.X25519Identity, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.id != nil {
		return v.id, nil
	}
	var id *age.X25519Identity
	var err error
	switch key := strings.TrimSpace(v.o.Key); {
	case key == "" && v.o.KeyFile == "":
		return nil, errors.New("it has no key")
	case key == "":
		id, err = keyFile(ctx, v.o.KeyFile)
	case strings.Contains(key, "AGE-SECRET-KEY-1"):
		id, err = parse([]byte(key))
	default:
		id, err = behindPassphrase(ctx, filepath.Join(v.o.Dir, "identity.age"), key)
	}
	v.id = id
	return id, err
}

// keyFile reads the identity in the file at path, and makes one when there is no such file.
func keyFile(ctx context.Context, path string) (*age.X25519Identity, error) {
	b, err := os.ReadFile(path)
	if err == nil {
		id, err := parse(b)
		if err != nil {
			return nil, fmt.Errorf("key file %s: %w", path, err)
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("key file: %w", err)
	}
	return make1(ctx, path, func(id *age.X25519Identity) ([]byte, error) {
		return fmt.Appendf(nil, "# kvitt keeps its tokens encrypted with this key. Whoever has it and the data folder can read them.\n%s\n", id), nil
	}, parse)
}

// behindPassphrase is keyFile for a file that is itself encrypted with a passphrase.
func behindPassphrase(ctx context.Context, path, passphrase string) (*age.X25519Identity, error) {
	open := func(b []byte) (*age.X25519Identity, error) {
		s, err := age.NewScryptIdentity(passphrase)
		if err != nil {
			return nil, err
		}
		plain, err := decrypt(b, s)
		if err != nil {
			return nil, err
		}
		return parse(plain)
	}
	b, err := os.ReadFile(path)
	if err == nil {
		return open(b)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return make1(ctx, path, func(id *age.X25519Identity) ([]byte, error) {
		r, err := age.NewScryptRecipient(passphrase)
		if err != nil {
			return nil, err
		}
		r.SetWorkFactor(16) // about 0.2 s; the passphrase is a machine's, not typed each time
		return encrypt([]byte(id.String()), r)
	}, open)
}

// make1 makes a new identity and writes it to path, once, whichever process is first.
func make1(ctx context.Context, path string, seal func(*age.X25519Identity) ([]byte, error), open func([]byte) (*age.X25519Identity, error)) (*age.X25519Identity, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	unlock, err := lock(ctx, path+".lock")
	if err != nil {
		return nil, err
	}
	defer unlock()
	if b, err := os.ReadFile(path); err == nil {
		return open(b)
	}
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return nil, err
	}
	b, err := seal(id)
	if err != nil {
		return nil, err
	}
	return id, replace(path, b)
}

func parse(b []byte) (*age.X25519Identity, error) {
	ids, err := age.ParseIdentities(bytes.NewReader(b))
	if err != nil {
		return nil, errors.New("it holds no age identity (AGE-SECRET-KEY-1…)") // age's error would show the line
	}
	for _, id := range ids {
		if x, ok := id.(*age.X25519Identity); ok {
			return x, nil
		}
	}
	return nil, errors.New("it holds no X25519 identity")
}

func read(path string, id age.Identity) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	plain, err := decrypt(b, id)
	if plain == nil && err == nil {
		plain = []byte{}
	}
	return plain, err
}

func decrypt(b []byte, id age.Identity) ([]byte, error) {
	r, err := age.Decrypt(bytes.NewReader(b), id)
	if err != nil {
		var none *age.NoIdentityMatchError
		if errors.As(err, &none) {
			return nil, ErrKey
		}
		return nil, err
	}
	return io.ReadAll(r)
}

func encrypt(plain []byte, to age.Recipient) ([]byte, error) {
	var b bytes.Buffer
	w, err := age.Encrypt(&b, to)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(plain); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

func write(path string, plain []byte, to age.Recipient) error {
	b, err := encrypt(plain, to)
	if err != nil {
		return err
	}
	return replace(path, b)
}

// replace puts b at path as a whole: after a crash there is the old file or the new one.
func replace(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err == nil {
		err = tmp.Sync()
	}
	if e := tmp.Close(); err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	if err := os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return durable.SyncDir(filepath.Dir(path))
}

// lock waits for the lock of path. The kernel gives it up when the process ends, however it ends.
func lock(ctx context.Context, path string) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	for wait := time.Millisecond; ; wait = min(2*wait, 50*time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			f.Close()
			return nil, err
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			f.Close()
			return nil, ctx.Err()
		case <-t.C:
		}
	}
}

var plainName = regexp.MustCompile(`^[a-z0-9][a-z0-9_.-]{0,99}$`)

// fileName is a name that no two names share and every file system takes.
func fileName(name string) string {
	if plainName.MatchString(name) {
		return name + ".age"
	}
	sum := sha256.Sum256([]byte(name))
	return "~" + hex.EncodeToString(sum[:16]) + ".age"
}
