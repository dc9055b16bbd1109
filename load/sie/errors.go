package sie

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kvitt/kvitt/ledger"
)

var (
	// ErrSyntax is wrapped by errors about a file that is not SIE, or breaks its rules.
	ErrSyntax = errors.New("not valid SIE")

	// ErrTruncated is wrapped when a file stops before its end: a voucher that is
	// not closed, or a checksum that is announced but missing (section 10.6).
	ErrTruncated = errors.New("file is cut off")

	// ErrChecksum is wrapped when #KSUMMA is not the sum of what the file holds.
	ErrChecksum = errors.New("checksum does not match")

	// ErrAltered is wrapped when a file that Target wrote is no longer what it wrote.
	ErrAltered = errors.New("file was altered")

	// ErrRefused is wrapped by errors about a document that must not be written.
	ErrRefused = errors.New("refused")
)

// An Error says where reading a file stopped.
type Error struct {
	Line  int    // from 1; 0 if no line is to blame
	Label string // "#TRANS", in upper case; "" if the line has none
	What  string // what is wrong; "" if Err says it all
	Err   error  // wraps ErrSyntax, ErrTruncated or ErrChecksum
}

func (e *Error) Error() string {
	s := []string{"sie"}
	if e.Line > 0 {
		s = append(s, fmt.Sprintf("line %d", e.Line))
	}
	if e.Label != "" {
		s = append(s, e.Label)
	}
	s = append(s, e.Err.Error())
	if e.What != "" {
		s = append(s, e.What)
	}
	return strings.Join(s, ": ")
}

func (e *Error) Unwrap() error { return e.Err }

// A RefusedError says why Write wrote nothing. It wraps ErrRefused.
type RefusedError struct {
	Voucher int    // its place in the document, from 1; 0 for the document itself
	ID      string // Voucher.ID
	What    string
}

func (e *RefusedError) Error() string {
	if e.Voucher == 0 {
		return "sie: refused: " + e.What
	}
	return fmt.Sprintf("sie: refused: %s: %s", place(e.Voucher, e.ID), e.What)
}

func (e *RefusedError) Unwrap() error { return ErrRefused }

// An UnbalancedError says which voucher does not sum to zero. It wraps ErrRefused.
type UnbalancedError struct {
	Voucher int          // its place in the document, from 1
	ID      string       // Voucher.ID
	Off     ledger.Minor // the sum of its rows
}

func (e *UnbalancedError) Error() string {
	return fmt.Sprintf("sie: refused: %s: rows sum to %d minor units, not zero", place(e.Voucher, e.ID), e.Off)
}

func (e *UnbalancedError) Unwrap() error { return ErrRefused }

// place names a voucher for people: "voucher 3 (1a2b3c4d5e6f)".
func place(n int, id string) string {
	if id == "" {
		return fmt.Sprintf("voucher %d", n)
	}
	return fmt.Sprintf("voucher %d (%s)", n, id)
}
