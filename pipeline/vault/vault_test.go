package vault_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kvitt/kvitt/extract"
	"github.com/kvitt/kvitt/pipeline/vault"
)

var _ extract.Vault = (*vault.Vault)(nil)

func keep(t *testing.T, v *vault.Vault, name, text string) {
	t.Helper()
	if err := v.Update(t.Context(), name, func([]byte) ([]byte, error) { return []byte(text), nil }); err != nil {
		t.Fatal(err)
	}
}

func kept(t *testing.T, v *vault.Vault, name string) (string, error) {
	t.Helper()
	var out string
	err := v.Update(t.Context(), name, func(b []byte) ([]byte, error) { out = string(b); return b, nil })
	return out, err
}

func TestKeepsAndForgets(t *testing.T) {
	for _, o := range []vault.Options{
		{Dir: filepath.Join(t.TempDir(), "v"), KeyFile: filepath.Join(t.TempDir(), "keys", "kvitt.key")},
		{Dir: filepath.Join(t.TempDir(), "v"), Key: "correct horse battery staple"},
	} {
		v := vault.New(o)
		if got, err := kept(t, v, "fortnox"); got != "" || err != nil {
			t.Fatalf("an empty vault holds %q, %v", got, err)
		}
		keep(t, v, "fortnox", "refresh-4711")
		keep(t, v, "Shop ÅÄÖ/../x", "other")
		again := vault.New(o)
		if got, err := kept(t, again, "fortnox"); got != "refresh-4711" || err != nil {
			t.Fatalf("kept %q, %v", got, err)
		}
		if got, _ := kept(t, again, "Shop ÅÄÖ/../x"); got != "other" {
			t.Errorf("kept %q under a name that is no file name", got)
		}
		// An error leaves it as it was.
		boom := errors.New("boom")
		if err := again.Update(t.Context(), "fortnox", func([]byte) ([]byte, error) { return []byte("half"), boom }); !errors.Is(err, boom) {
			t.Errorf("err = %v", err)
		}
		if got, _ := kept(t, v, "fortnox"); got != "refresh-4711" {
			t.Errorf("after an error it holds %q", got)
		}
		filepath.WalkDir(o.Dir, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			b, _ := os.ReadFile(path)
			if bytes.Contains(b, []byte("4711")) {
				t.Errorf("%s shows what is kept", path)
			}
			if st, _ := d.Info(); st.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s has mode %v", path, st.Mode())
			}
			return nil
		})
		if err := v.Update(t.Context(), "fortnox", func([]byte) ([]byte, error) { return nil, nil }); err != nil {
			t.Fatal(err)
		}
		if got, err := kept(t, again, "fortnox"); got != "" || err != nil {
			t.Errorf("forgotten, it holds %q, %v", got, err)
		}
	}
}

func TestAnotherKeyDoesNotOpenIt(t *testing.T) {
	dir := t.TempDir()
	keep(t, vault.New(vault.Options{Dir: dir, Key: "one"}), "x", "y")
	if _, err := kept(t, vault.New(vault.Options{Dir: dir, Key: "two"}), "x"); !errors.Is(err, vault.ErrKey) && (err == nil || !strings.Contains(err.Error(), "incorrect passphrase")) {
		t.Errorf("err = %v", err)
	}
	if _, err := kept(t, vault.New(vault.Options{Dir: dir, KeyFile: filepath.Join(t.TempDir(), "k")}), "x"); !errors.Is(err, vault.ErrKey) {
		t.Errorf("err = %v, want ErrKey", err)
	}
}

// Many goroutines of several processes each take the number that is kept and keep the next:
// none is taken twice.
func TestNoTwoAreBetween(t *testing.T) {
	if dir := os.Getenv("VAULT_TEST_DIR"); dir != "" {
		count(t, dir)
		return
	}
	dir := t.TempDir()
	keep(t, vault.New(options(dir)), "n", "0")
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0], "-test.run=^TestNoTwoAreBetween$")
			cmd.Env = append(os.Environ(), "VAULT_TEST_DIR="+dir)
			if b, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, b)
			}
		})
	}
	wg.Wait()
	if got, err := kept(t, vault.New(options(dir)), "n"); got != "60" || err != nil {
		t.Errorf("60 steps counted to %q, %v", got, err)
	}
}

func options(dir string) vault.Options {
	return vault.Options{Dir: filepath.Join(dir, "v"), KeyFile: filepath.Join(dir, "key")}
}

func count(t *testing.T, dir string) {
	v := vault.New(options(dir))
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 5 {
				err := v.Update(t.Context(), "n", func(b []byte) ([]byte, error) {
					n, err := strconv.Atoi(string(b))
					if err != nil {
						return nil, err
					}
					time.Sleep(time.Millisecond)
					return []byte(strconv.Itoa(n + 1)), nil
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}

func TestWaitingEndsWithItsContext(t *testing.T) {
	dir := t.TempDir()
	a, b := vault.New(options(dir)), vault.New(options(dir))
	held, release := make(chan bool), make(chan bool)
	go a.Update(context.Background(), "x", func([]byte) ([]byte, error) { close(held); <-release; return nil, nil })
	<-held
	defer close(release)
	ctx, stop := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer stop()
	if err := b.Update(ctx, "x", func(b []byte) ([]byte, error) { return b, nil }); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("err = %v", err)
	}
}
