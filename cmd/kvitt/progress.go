package main

import (
	"fmt"
	"io"
	"os"
	"sync"
)

// A screen writes log lines to stderr and, on a terminal, a line of progress that the next
// log line replaces.
type screen struct {
	mu     sync.Mutex
	w      io.Writer
	active bool
}

func (s *screen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.active {
		s.active = false
		if _, err := io.WriteString(s.w, "\r\033[K"); err != nil {
			return 0, err
		}
	}
	return s.w.Write(b)
}

// progress shows what a long phase is at.
func (s *screen) progress(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active = true
	fmt.Fprintf(s.w, "\r\033[K%s", text)
}

// isTerminal reports whether w is a terminal a person looks at.
func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	st, err := f.Stat()
	return err == nil && st.Mode()&os.ModeCharDevice != 0
}
