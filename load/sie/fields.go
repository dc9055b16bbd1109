package sie

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
)

// objects reads the object list in field i, and returns which field comes after it.
// Some programs leave an empty list out.
func (p *parser) objects(r record, i int, to *[]Object) (next int, err error) {
	if i >= len(r.fields) || !r.fields[i].isList {
		return i, nil
	}
	list := r.fields[i].list
	if len(list)%2 != 0 {
		return 0, fmt.Errorf("an object list of %d values is not pairs", len(list))
	}
	for j := 0; j < len(list); j += 2 {
		*to = append(*to, Object{p.f.Charset.decode(list[j]), p.f.Charset.decode(list[j+1])})
	}
	return i + 1, nil
}

// text returns field i, or "" when the record is shorter.
func (p *parser) text(r record, i int) string {
	if i >= len(r.fields) {
		return ""
	}
	return p.f.Charset.decode(r.fields[i].value)
}

func (p *parser) int(r record, i int) (int, error) {
	n, err := strconv.Atoi(p.text(r, i))
	if err != nil {
		return 0, fmt.Errorf("%q is not a number", p.text(r, i))
	}
	return n, nil
}

// date returns the zero time for a field that is missing, empty or all zeros.
func (p *parser) date(r record, i int) (time.Time, error) {
	s := p.text(r, i)
	if strings.Trim(s, "0") == "" {
		return time.Time{}, nil
	}
	d, err := time.Parse("20060102", s)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is not a date", s)
	}
	return d, nil
}

// amount reads a point or a comma, and at most the decimals of the currency.
func (p *parser) amount(r record, i int) (ledger.Minor, error) {
	return ledger.ParseMinor(strings.Replace(p.text(r, i), ",", ".", 1), p.exp)
}
