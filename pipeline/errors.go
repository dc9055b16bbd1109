package pipeline

import (
	"errors"
	"syscall"

	"github.com/kvitt/kvitt/sql/duck"
)

// ErrUsage is wrapped by errors about what was asked for.
var ErrUsage = errors.New("cannot be done")

// isFull recognises a full disk wherever it was met.
func isFull(err error) bool {
	return errors.Is(err, duck.ErrFull) || errors.Is(err, ErrSpace) || errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}

// IsFull reports whether err is about a disk without room.
func IsFull(err error) bool { return isFull(err) }
