package pipeline

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// ErrLocked is returned when another run holds the data directory.
var ErrLocked = errors.New("another run holds the data directory")

// A lock keeps other runs out of a data directory. The kernel gives it up when the
// process ends, however it ends. DuckDB's own lock is not enough: it is lost as soon as
// anything in the process opens and closes the database file.
type lock struct{ f *os.File }

// takeLock takes DATA_DIR/lock and writes who holds it.
//
// Errors: ErrLocked, saying who.
func takeLock(dir, command string, now time.Time) (*lock, error) {
	return takeFile(dir, "lock", command, now, "wait for it to finish")
}

func takeFile(dir, name, command string, now time.Time, do string) (*lock, error) {
	f, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		b, _ := os.ReadFile(f.Name())
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			who := strings.TrimSpace(string(b))
			if who == "" {
				who = "unknown"
			}
			return nil, fmt.Errorf("%w %s: %s; %s", ErrLocked, dir, who, do)
		}
		return nil, err
	}
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt(fmt.Appendf(nil, "process %d, kvitt %s, since %s\n", os.Getpid(), command, now.UTC().Format(time.RFC3339)), 0)
	}
	return &lock{f}, nil
}

// release gives the lock up by name: a child process that is just being started holds a copy of the file until
// it has begun, and with it the lock.
func (l *lock) release() {
	_ = unix.Flock(int(l.f.Fd()), unix.LOCK_UN)
	l.f.Close()
}

// A Holding is something of a data directory that one process has at a time, beside runs.
type Holding struct{ l *lock }

// Hold takes DATA_DIR/name, and makes the data directory if it is not there.
//
// Errors: ErrLocked, saying who has it.
func Hold(dir, name, command string, now time.Time) (*Holding, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	l, err := takeFile(dir, name, command, now, "one is enough")
	if err != nil {
		return nil, err
	}
	return &Holding{l}, nil
}

// Release gives it back. The kernel does when the process ends.
func (h *Holding) Release() { h.l.release() }
