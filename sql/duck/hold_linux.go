package duck

import (
	"os"

	"golang.org/x/sys/unix"
)

// hold locks a file that is read, in a way that others see with F_GETLK. DuckDB does so too, but its lock is the process's:
// it is gone as soon as the process closes any other descriptor of the file, that of a second reader for instance.
func hold(path string) *os.File {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	if err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_RDLCK}); err != nil {
		f.Close()
		return nil
	}
	return f
}
