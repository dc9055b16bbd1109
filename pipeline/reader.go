package pipeline

import (
	"context"
	"fmt"
	"os"

	"github.com/kvitt/kvitt/sql/duck"
)

// Published is the file of the published ledger.
func (p *Project) Published() string { return p.path("published", "ledger.duckdb") }

// Reader opens the published ledger, read only and with no way to files or the network.
//
// Errors: ErrUsage when nothing is published yet.
func (p *Project) Reader(ctx context.Context) (*duck.DB, error) {
	path := p.Published()
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("%w: nothing is published yet in %s; kvitt run does it", ErrUsage, p.DataDir)
	}
	return duck.Open(ctx, path, duck.Options{ReadOnly: true, MemoryLimit: p.Memory, Sealed: true, Apart: true})
}
