package duck

import (
	"database/sql/driver"
	"errors"
	"testing"
)

func TestAFullDiskIsRecognised(t *testing.T) {
	for _, tt := range []struct {
		name, says string
		full       bool
	}{
		{"no space for the file", "IO Error: Could not write file \"work.duckdb\": No space left on device", true},
		{"no space for what spills", "Out of Memory Error: failed to offload data block of size 256.0 KiB (1.0 GiB/1.0 GiB used). This limit was set by the 'max_temp_directory_size' setting.", true},
		{"a limit on the size of files", "IO Error: Could not write file: File too large", true},
		{"Windows", "IO Error: disk full", true},
		{"a wrong query", "Parser Error: syntax error at or near \"selec\"", false},
		{"not enough memory", "Out of Memory Error: could not allocate block", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cause := errors.New(tt.says)
			err := classify(cause)
			if errors.Is(err, ErrFull) != tt.full || !errors.Is(err, cause) {
				t.Errorf("classify(%q) = %v", tt.says, err)
			}
			if wrapped := wrap(cause, "select 1"); errors.Is(wrapped, ErrFull) != tt.full || !errors.Is(wrapped, cause) {
				t.Errorf("wrap(%q) = %v", tt.says, wrapped)
			}
		})
	}
	if err := classify(errors.New("Out of Memory Error: failed to pin block of size 256.0 KiB (477.9 MiB/476.8 MiB used)")); !errors.Is(err, ErrMemory) || errors.Is(err, ErrFull) {
		t.Errorf("too little memory is %v", err)
	}
	if classify(nil) != nil || wrap(nil, "select 1") != nil {
		t.Error("no error becomes one")
	}
	if err := classify(driver.ErrBadConn); !errors.Is(err, driver.ErrBadConn) || errors.Is(err, ErrFull) {
		t.Errorf("a broken connection is %v", err)
	}
}
