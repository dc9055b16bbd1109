package archive

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"
)

// A Position is a place between two records. The zero Position is before the first. It
// is comparable, and as text ("20260311T230000Z-001:4711") it can be stored.
type Position struct {
	Run    string
	Offset int64 // bytes from the start of the run's index
}

// ParsePosition reads what String returns.
func ParsePosition(s string) (Position, error) {
	if s == "" {
		return Position{}, nil
	}
	run, offset, ok := strings.Cut(s, ":")
	n, err := strconv.ParseInt(offset, 10, 64)
	if !ok || err != nil || n < 0 || !validRunID(run) {
		return Position{}, fmt.Errorf("archive: not a position: %q", s)
	}
	return Position{Run: run, Offset: n}, nil
}

func (p Position) String() string {
	if p == (Position{}) {
		return ""
	}
	return p.Run + ":" + strconv.FormatInt(p.Offset, 10)
}

// Compare returns -1, 0 or 1: p is before, at or after q.
func (p Position) Compare(q Position) int {
	return cmp.Or(cmp.Compare(p.Run, q.Run), cmp.Compare(p.Offset, q.Offset))
}

// MarshalText implements encoding.TextMarshaler.
func (p Position) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (p *Position) UnmarshalText(text []byte) (err error) {
	*p, err = ParsePosition(string(text))
	return err
}

// validRunID reports whether s can be the name of a run folder: nothing that means
// something to a file system, and nothing a Position could not be told from.
func validRunID(s string) bool {
	for i := range len(s) {
		switch c := s[i]; {
		case '0' <= c && c <= '9', 'A' <= c && c <= 'Z', 'a' <= c && c <= 'z':
		case i > 0 && (c == '-' || c == '.' || c == '_'):
		default:
			return false
		}
	}
	return s != ""
}
