package sie

import (
	"context"
	"fmt"

	"github.com/kvitt/kvitt/ledger"
	"github.com/kvitt/kvitt/load"
)

// Audit implements load.Auditor: it reads every file back, checksum and digest included.
func (t *Target) Audit(ctx context.Context) ([]load.Kept, []error) {
	files, err := ReadDir(t.Dir)
	if err != nil {
		return nil, []error{err}
	}
	var kept []load.Kept
	var wrong []error
	seen := map[string]string{}
	for _, f := range files {
		if err := ctx.Err(); err != nil {
			return kept, append(wrong, err)
		}
		if f.Err != nil {
			wrong = append(wrong, fmt.Errorf("%s: %w", f.Name, f.Err))
			continue
		}
		for i, v := range f.File.Vouchers {
			var debit ledger.Minor
			for _, r := range v.Rows {
				if r.Amount > 0 {
					debit += r.Amount
				}
			}
			if first, twice := seen[v.ID]; twice {
				wrong = append(wrong, fmt.Errorf("%s: voucher %s is in %s too", f.Name, v.ID, first))
			}
			seen[v.ID] = f.Name
			kept = append(kept, load.Kept{VoucherID: v.ID, Number: fmt.Sprintf("%s#%d", f.Name, i+1), Debit: debit, Text: v.Text})
		}
	}
	return kept, wrong
}

var _ load.Auditor = (*Target)(nil)
