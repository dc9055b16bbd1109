package sie

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"regexp"
	"time"

	"github.com/kvitt/kvitt/ledger"
)

const nameTime = "20060102T150405Z"

var nameForm = regexp.MustCompile(`^(\d{4}(?:-\d{4})?)/(\d{8}T\d{6}Z)-([0-9a-f]{12})\.si$`)

// A name is where a batch lies in the target's folder.
type name struct {
	folder string    // the fiscal year
	at     time.Time // when it was prepared, UTC, whole seconds
	digest string    // of its vouchers
}

func (n name) String() string {
	return fmt.Sprintf("%s/%s-%s.si", n.folder, n.at.UTC().Format(nameTime), n.digest)
}

func parseName(s string) (name, error) {
	m := nameForm.FindStringSubmatch(s)
	if m == nil {
		return name{}, fmt.Errorf("sie: %q is not the name of a batch", s)
	}
	at, err := time.Parse(nameTime, m[2])
	if err != nil {
		return name{}, fmt.Errorf("sie: %q is not the name of a batch", s)
	}
	return name{m[1], at, m[3]}, nil
}

// digest returns the first 12 hexadecimal digits of the SHA-256 of the vouchers as they
// stand in a file, without the day they were registered. It is in the file's name, so
// that a change of the vouchers shows even when #KSUMMA was made to fit.
func digest(vs []Voucher, currency string) string {
	var out output
	for _, v := range vs {
		v.RegDate = time.Time{}
		out.vouchers([]Voucher{v}, ledger.Exponent(currency))
	}
	sum := sha256.Sum256(out.b)
	return hex.EncodeToString(sum[:6])
}
