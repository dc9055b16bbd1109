package transform

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kvitt/kvitt/ledger"
)

// A Cause is what may lie behind an exception, with what speaks for it and what would settle it.
// Causes are told, never acted on.
type Cause struct {
	Name     string `json:"cause"` // "missing_fee_row"
	Says     string `json:"says"`
	Evidence string `json:"evidence"`
	Action   string `json:"action"`
	Weight   int    `json:"weight"` // 0 to 100: how much speaks for it, to rank by; no probability
}

// PayoutFacts are what is known of a payout that does not add up. Amounts are minor units.
type PayoutFacts struct {
	ID, Source, Currency string
	Difference           int64 // the rows' net less what they must add up to
	FormulaOff           int64 // by how much the provider's own totals disagree with each other
	CutOff               bool  // its report ends without saying what became of the money
	Stated               []StatedTotal
	Rows                 []RowFacts
	Held                 []OtherPayout // other payouts of the source that do not add up
	Open                 []OpenDocument
}

// A StatedTotal is a figure of the provider's for one kind of row, beside what its rows add up to.
type StatedTotal struct {
	Name         string // as the provider writes it
	Stated, Rows int64  // of the same sign
}

// RowFacts is one row of a payout.
type RowFacts struct {
	Line, Kind, Method, Key, Order, Reference, Type string
	Gross, Fee, FeeVAT, Net                         int64
}

// An OtherPayout does not add up either.
type OtherPayout struct {
	ID         string
	Difference int64
	Rows       []RowFacts
}

// An OpenDocument is delivered or refunded and not settled.
type OpenDocument struct {
	ID, Number, Kind string
	Date             string
	Amount           int64 // of a refund < 0
}

// PayoutCauses ranks what may lie behind a payout that does not add up.
func PayoutCauses(f PayoutFacts) []Cause {
	var out []Cause
	add := func(weight int, name, says, evidence, action string) {
		out = append(out, Cause{name, says, evidence, action, weight})
	}
	money := func(n int64) string { return amountText(n, f.Currency) }
	again := "kvitt run reads it again once the provider has corrected it; ask " + f.Source + " for a new report of " + f.ID
	// As much as rounding each row may come to says nothing of a total.
	tiny := func(n int64) bool { return abs(n) <= (int64(len(f.Rows))+1)/2 }
	if f.Difference == 0 && f.FormulaOff != 0 {
		add(90, "wrong_provider_total", "the provider's own totals do not add up; its rows do",
			"the totals disagree with each other by "+money(f.FormulaOff), again)
		if tiny(f.FormulaOff) {
			add(95, "rounding", "the provider's totals were rounded one by one here and in one sum there",
				fmt.Sprintf("they disagree with each other by %s over %d rows", money(f.FormulaOff), len(f.Rows)), raise(money(f.FormulaOff)))
		}
		return ranked(out)
	}
	d := f.Difference
	// Where the provider's partial totals hold what the rows lack, it is the rows that are wrong.
	counted := d != 0 && partsOff(f.Stated) == -d
	if d < 0 && !f.CutOff && !slices.ContainsFunc(f.Rows, func(r RowFacts) bool { return r.Kind != "fee" && r.Kind != "carried" && r.Kind != "payout" }) {
		add(94, "late_report", "its rows have not come yet", fmt.Sprintf("%s of it are accounted for by no row at all", money(-d)), again)
	}
	if f.CutOff {
		add(97, "late_report", "the report is cut short: the rest of it has not come",
			fmt.Sprintf("it has %d rows and ends without a payout or a balance carried on; %s are left", len(f.Rows), money(d)), "fetch the whole report and put it in the inbox; kvitt run reads it")
	}
	// A row that is in another payout: what is missing here is too much there.
	for _, o := range f.Held {
		if abs(o.Difference+d) > 2 { // each may be rounded apart
			continue
		}
		without, lender := f.ID, o.ID
		if d > 0 {
			without, lender = o.ID, f.ID
		}
		// What came here is too much by itself, what came there is lacking by itself.
		which := ""
		fits := func(rows []RowFacts, by int64, counted, came string) {
			for _, r := range rows {
				if which == "" && abs(r.Net-by) <= 2 {
					which = fmt.Sprintf("; %s %s of %s fits", r.Type, r.Reference, money(r.Net))
					without, lender = counted, came
				}
			}
		}
		fits(f.Rows, d, o.ID, f.ID)
		fits(o.Rows, o.Difference, f.ID, o.ID)
		weight := 88
		if which != "" {
			weight = 96
		}
		if abs(d) <= 5 {
			weight = 40 // small amounts are alike by chance
		}
		add(weight, "row_in_another_payout", fmt.Sprintf("a row counted in %s came in %s", without, lender),
			fmt.Sprintf("%s is off by %s, %s by %s%s", f.ID, money(d), o.ID, money(o.Difference), which), "ask "+f.Source+" for corrected reports of both payouts; kvitt run then books them")
	}
	// The same row twice.
	seen := map[string]RowFacts{}
	for _, r := range f.Rows {
		k := strings.Join([]string{r.Type, r.Key, r.Order, r.Reference, fmt.Sprint(r.Gross, r.Net)}, "\x00")
		if _, twice := seen[k]; twice && r.Net == d && r.Key+r.Order != "" {
			add(94, "duplicate_row", "one row is there twice", fmt.Sprintf("%s %s, %s, twice", r.Type, cmp.Or(r.Reference, r.Order), money(r.Net)), again)
			break
		}
		seen[k] = r
	}
	off := statedOff(f)
	if word, n, gross := costless(f); d > 0 && word != "" && d <= gross*6/100+n*500 {
		add(95, "missing_fee_row", "a row of costs is missing",
			fmt.Sprintf("%d rows by %s, %s, come without a row of their costs, where others have one; %s are off", n, word, money(gross), money(d)), again)
	}
	if fee, sale := feeless(f, -d); sale != nil {
		// The rows lack a cost, so that they add up to too much.
		out = append(out, missingFee(f, off, fee, *sale, d, money, again)...)
	} else if d > 0 && feeOnly(off, d) {
		add(90, "missing_fee_row", "a row of costs is missing", "the provider's fee totals are "+money(d)+" more than its fee rows"+named(off), again)
	}
	for _, o := range f.Open {
		fit := o.Amount == -d
		withCost := !fit && o.Kind == "delivery" && fitsLess(f, o.Amount, -d)
		near := !fit && o.Kind == "delivery" && -d > 0 && o.Amount > -d && o.Amount+d <= o.Amount*6/100+500
		if !fit && !near {
			continue
		}
		name, what := "missing_sale_row", "the row of a sale is missing"
		if o.Kind == "refund" {
			name, what = "missing_refund_row", "the row of a refund is missing"
		}
		weight := 86
		if withCost {
			weight = 84
		} else if near {
			weight = 55
		}
		for _, s := range off {
			if abs(s.Stated-s.Rows) == abs(o.Amount) {
				weight = max(weight, 86) + 6
			}
		}
		add(weight, name, what, fmt.Sprintf("%s of %s (order %s) is of %s and not settled by any row", o.ID, o.Date, o.Number, money(o.Amount)), again)
	}
	if n := int64(len(f.Rows)); abs(d) <= n {
		weight := 70
		if len(off) > 0 && vatOnly(off, d) {
			weight = 92
		} else if abs(d) <= (n+1)/2 {
			weight = 84
		}
		add(weight, "rounding", "amounts were rounded row by row here and in one sum there",
			fmt.Sprintf("off by %s over %d rows, less than the last digit of each%s", money(d), n, named(off)), raise(money(d)))
	}
	weight := 60
	evidence := "no row, document or other payout accounts for " + money(d)
	if counted {
		weight, evidence = 50, "its partial totals hold what the rows lack"
	} else if f.FormulaOff != 0 && !tiny(f.FormulaOff) {
		weight, evidence = 93, "its own totals disagree with each other by "+money(f.FormulaOff)+" too"
	}
	add(weight, "wrong_provider_total", "the provider's total is wrong", evidence+named(off), "ask "+f.Source+" what the difference is")
	return ranked(out)
}

func raise(amount string) string {
	return fmt.Sprintf("raise [accounts] tolerance to %s if the provider always does so; the next run books it", strings.TrimPrefix(strings.Fields(amount)[0], "-"))
}

// partsOff is what the provider's partial totals hold and the rows do not: what is sold, less what went back and what it cost.
func partsOff(stated []StatedTotal) (sum int64) {
	for _, s := range stated {
		by := s.Stated - s.Rows
		if n := strings.ToLower(s.Name); isFeeName(n) || isVATName(n) || strings.Contains(n, "return") || strings.Contains(n, "refund") {
			by = -by
		}
		sum += by
	}
	return sum
}

// costless finds what has no row of its costs, where the provider has a row of costs for each way to pay: "cost/swish".
func costless(f PayoutFacts) (word string, n, gross int64) {
	has, family := map[string]bool{}, map[string]bool{}
	for _, r := range f.Rows {
		if kind, detail, ok := strings.Cut(r.Type, "/"); ok && r.Kind == "fee" {
			has[detail], family[kind] = true, true
		}
	}
	if len(family) != 1 {
		return "", 0, 0
	}
	isMethod := map[string]bool{}
	for _, r := range f.Rows {
		if r.Kind == "sale" || r.Kind == "refund" {
			isMethod[r.Method], isMethod[r.Kind] = true, true
		}
	}
	for w := range has {
		if !isMethod[w] {
			return "", 0, 0 // its rows of costs are named otherwise
		}
	}
	for _, r := range f.Rows {
		w := r.Method
		if r.Kind == "refund" {
			w = r.Kind
		}
		if (r.Kind == "sale" || r.Kind == "refund") && w != "" && !has[w] && (word == "" || word == w) {
			word, n, gross = w, n+1, gross+abs(r.Gross)
		}
	}
	return word, n, gross
}

// fitsLess reports whether an amount less what the payout's other sales cost, each by its method's rate, is about want; a
// row that was rounded apart may make an öre or two.
func fitsLess(f PayoutFacts, amount, want int64) bool {
	if abs(amount-want) <= 2 {
		return true
	}
	for _, r := range saleRates(f) {
		if c := r.cost(amount); c > 0 && abs(amount-c-want) <= max(2, c/20) {
			return true
		}
	}
	return false
}

// statedOff are the provider's figures that its rows do not add up to.
func statedOff(f PayoutFacts) []StatedTotal {
	return slices.DeleteFunc(slices.Clone(f.Stated), func(s StatedTotal) bool { return s.Stated == s.Rows })
}

func named(off []StatedTotal) string {
	var parts []string
	for _, s := range off {
		parts = append(parts, fmt.Sprintf("%s says %d, the rows %d", s.Name, s.Stated, s.Rows))
	}
	if len(parts) == 0 {
		return ""
	}
	return " (" + strings.Join(parts, "; ") + "; minor units)"
}

// feeOnly reports whether the totals of costs, and no others, account for d.
func feeOnly(off []StatedTotal, d int64) bool {
	var sum int64
	for _, s := range off {
		if !isFeeName(s.Name) && !isVATName(s.Name) {
			return false
		}
		sum += abs(s.Stated) - abs(s.Rows)
	}
	return len(off) > 0 && sum == d
}

func vatOnly(off []StatedTotal, d int64) bool {
	return !slices.ContainsFunc(off, func(s StatedTotal) bool { return !isVATName(s.Name) })
}

func isFeeName(name string) bool { return strings.Contains(strings.ToLower(name), "fee") }

func isVATName(name string) bool {
	n := strings.ToLower(name)
	return strings.Contains(n, "tax") || strings.Contains(n, "vat")
}

// feeless finds the sale that has no cost where others of its method have one, and whose cost by
// their rate comes nearest to want (< 0). It returns what the rate says.
func feeless(f PayoutFacts, want int64) (int64, *RowFacts) {
	if want >= 0 {
		return 0, nil
	}
	order, sales := salesOf(f)
	rates := ratesOf(order, sales)
	var best *RowFacts
	var bestCost int64
	for _, k := range order {
		s := sales[k]
		r := rates[s.row.Method]
		if s.cost != 0 || r == nil {
			continue
		}
		cost := r.cost(s.row.Gross)
		if best == nil || abs(cost+want) < abs(bestCost+want) {
			row := s.row
			best, bestCost = &row, cost
		}
	}
	return bestCost, best
}

// A costedSale is a sale of a payout with all it cost, its own fee rows included.
type costedSale struct {
	row  RowFacts
	cost int64
}

func salesOf(f PayoutFacts) (order []string, sales map[string]*costedSale) {
	sales = map[string]*costedSale{}
	for _, r := range f.Rows {
		k := cmp.Or(r.Key, r.Order, r.Line)
		if r.Kind == "sale" {
			if sales[k] == nil {
				sales[k] = &costedSale{}
				order = append(order, k)
			}
			sales[k].row = r
			sales[k].cost += r.Fee + r.FeeVAT
		}
	}
	for _, r := range f.Rows {
		if r.Kind != "fee" {
			continue
		}
		if s := sales[cmp.Or(r.Key, r.Order, r.Line)]; s != nil {
			s.cost += -r.Net
		}
	}
	return order, sales
}

// A costRate is what sales by one method cost: a fixed part and a share, by the cheapest and the dearest; with one
// sale, a share.
type costRate struct{ lowGross, lowCost, highGross, highCost int64 }

func (r *costRate) cost(gross int64) int64 {
	if r.highGross > r.lowGross {
		return r.lowCost + (gross-r.lowGross)*(r.highCost-r.lowCost)/(r.highGross-r.lowGross)
	}
	return gross * r.highCost / max(r.highGross, 1)
}

func saleRates(f PayoutFacts) map[string]*costRate { return ratesOf(salesOf(f)) }

func ratesOf(order []string, sales map[string]*costedSale) map[string]*costRate {
	rates := map[string]*costRate{}
	for _, k := range order {
		s := sales[k]
		if s.cost <= 0 {
			continue
		}
		r := rates[s.row.Method]
		if r == nil {
			r = &costRate{lowGross: s.row.Gross, lowCost: s.cost, highGross: s.row.Gross, highCost: s.cost}
			rates[s.row.Method] = r
		}
		if s.row.Gross < r.lowGross {
			r.lowGross, r.lowCost = s.row.Gross, s.cost
		}
		if s.row.Gross > r.highGross {
			r.highGross, r.highCost = s.row.Gross, s.cost
		}
	}
	return rates
}

func missingFee(f PayoutFacts, off []StatedTotal, fee int64, sale RowFacts, d int64, money func(int64) string, again string) []Cause {
	weight := 0
	switch {
	case feeOnly(off, d):
		weight = 95
	case abs(fee-d) <= max(2, d/50):
		weight = 93
	case abs(fee-d) <= max(5, d/8):
		weight = 82
	case abs(fee-d) <= max(10, d/3) && len(f.Stated) == 0:
		weight = 64
	default:
		return nil
	}
	return []Cause{{"missing_fee_row", "a row of costs is missing",
		fmt.Sprintf("sale %s of %s has no fee, where others by %s have; theirs would make it %s, and %s are off%s", cmp.Or(sale.Reference, sale.Order), money(sale.Gross), cmp.Or(sale.Method, "the same method"), money(fee), money(d), named(off)),
		again, weight}}
}

// LineFacts are what is known of a payout line that found no document. Amounts are minor units, > 0.
type LineFacts struct {
	Line, Source, Payout, Currency string
	Settles                        string // delivery | refund; "" when no document can have its sign
	Amount                         int64
	At                             time.Time
	Reference, Order, Event        string
	RowOff                         int64
	Sharing                        []Shared  // documents that share a key with it
	Near                           []Near    // documents of about its amount and day that no line settles
	Newest                         time.Time // of the documents it might have settled; zero: there are none
	Gone                           bool      // the source has answered that it has no such order
	IsShop                         bool      // shops are read, so that the sale may come from one of them
}

// A Shared is a document that carries one of the line's keys.
type Shared struct {
	Document, Kind, State, Currency, Key string
	Amount, Open                         int64
	SettledBy                            string // the payout of a line that settles it; "" if none
	SettledAmount                        int64  // of that line
	PriceE8                              int64  // of the document's currency in the line's, times 10^8; 0: no rate
}

// A Near is a document of the same kind and currency that nothing settles.
type Near struct {
	Document, Number, Reference string
	Amount                      int64
	At                          time.Time
}

// LineCauses ranks why a payout line found no document.
func LineCauses(f LineFacts) []Cause {
	var out []Cause
	id := f.Line[:min(8, len(f.Line))]
	add := func(weight int, name, says, evidence, action string) {
		out = append(out, Cause{name, says, evidence, action, weight})
	}
	money := func(n int64) string { return amountText(n, f.Currency) }
	match := func(doc string) string { return fmt.Sprintf("kvitt resolve %s --as match:%s", id, doc) }
	if f.RowOff != 0 {
		add(96, "row_disagrees", "the row's own amounts disagree, so it is not known what it settles", "gross less fees misses net by "+money(f.RowOff), "ask "+f.Source+" what the row should say")
	}
	for _, s := range f.Sharing {
		switch {
		case s.Kind != f.Settles && !(s.Kind == "order" && f.Settles == "delivery"):
			continue
		case s.Currency != f.Currency:
			weight, evidence := 80, fmt.Sprintf("%s is of %s, the line of %s", s.Document, amountText(s.Amount, s.Currency), money(f.Amount))
			if s.PriceE8 > 0 {
				if due := convertE8(s.Amount, s.PriceE8); abs(due-f.Amount) <= f.Amount/16 {
					weight = 95
					evidence += "; at the rate of the day it would be " + money(due)
				}
			}
			add(weight, "fx", "the provider settled it in another currency than it was sold in", evidence, match(s.Document))
		case s.Kind == "order":
			continue // an order alone says nothing of what was settled of it
		case s.State == "held":
			add(90, "document_held", "its document waits for a person itself", s.Document+" is held", "kvitt explain "+s.Document)
		case s.SettledBy != "" && s.Open < f.Amount:
			weight := 85
			if s.SettledAmount == f.Amount {
				weight = 95
			}
			name, says := "double_capture", "the sale was captured, or paid out, twice"
			if f.Settles == "refund" {
				name, says = "refund_twice", "the refund was taken twice"
			}
			add(weight, name, says, fmt.Sprintf("%s (%s) was settled with %s in payout %s", s.Document, s.Key, money(s.SettledAmount), s.SettledBy),
				"ask "+f.Source+" to take one of them back; pay the buyer back if the money was drawn twice")
		case s.Open > 0 && f.Amount > s.Open && abs(f.Amount-s.Open) <= min(max(500, 0), s.Open/50):
			add(88, "rounding", "line and document differ by a rounding", fmt.Sprintf("%s is open with %s, the line has %s", s.Document, money(s.Open), money(f.Amount)), match(s.Document)+", or raise [accounts] tolerance")
		case s.Open > 0 && f.Amount > s.Open:
			add(75, "amount_differs", "more was settled than was delivered", fmt.Sprintf("%s is open with %s, the line has %s", s.Document, money(s.Open), money(f.Amount)), "look whether the order was changed after its capture; "+match(s.Document))
		}
	}
	for _, n := range f.Near {
		if n.Amount != f.Amount {
			continue
		}
		days := int(f.At.Sub(n.At).Abs().Hours() / 24)
		alike := max(likeness(f.Reference, n.Number), likeness(f.Reference, n.Reference))
		switch {
		case alike >= 60 && days <= 35:
			add(82+alike/8, "wrong_reference", "the provider's reference is misspelt", fmt.Sprintf("%s (order %s) has the same amount, %d days away; the line says %s", n.Document, n.Number, days, f.Reference), match(n.Document))
		case days <= 14:
			weight := 66 - days
			if len(f.Near) == 1 {
				weight += 8
			}
			add(weight, "wrong_reference", "the reference names nothing; a document of this amount waits", fmt.Sprintf("%s (order %s) has the same amount, %d days away", n.Document, n.Number, days), match(n.Document))
		}
	}
	newest := "no document is known at all"
	late := f.Newest.IsZero()
	if !late {
		newest = "the newest document known is of " + f.Newest.Format("2006-01-02") + ", the line of " + f.At.Format("2006-01-02")
		late = f.At.After(f.Newest.Add(12 * time.Hour))
	}
	read := "kvitt run reads what has come since"
	if f.Order != "" && !f.IsShop {
		read = fmt.Sprintf("kvitt backfill --source %s --ids %s", f.Source, f.Order)
	}
	switch {
	case f.Settles == "":
		add(90, "reversed_line", "a sale taken back or a refund returned by the provider", "no document has the sign of this line", fmt.Sprintf("kvitt resolve %s --as account:NUMBER", id))
	case f.Gone:
		add(78, "sold_elsewhere", "the source says it has no such order: it was sold through another account", "order "+f.Order+" was asked for and is not there", `set unmatched = "receivable" if such sales are booked elsewhere`)
	case late && len(f.Sharing) == 0:
		add(72, "late_report", "the sale has not been read yet", newest, read)
	default:
		add(45, "sold_elsewhere", "the sale was made where kvitt does not read", newest+"; none carries "+cmp.Or(f.Reference, f.Order, f.Event, "its IDs"), read)
	}
	return ranked(out)
}

// likeness says in percent how alike two references are: of a misspelling most characters are the same.
func likeness(a, b string) int {
	norm := func(s string) string { return strings.TrimLeft(strings.ToUpper(strings.TrimSpace(s)), "#0") }
	a, b = norm(a), norm(b)
	if a == "" || b == "" {
		return 0
	}
	if len(a) > len(b) {
		a, b = b, a
	}
	if len(a) >= 4 && strings.Contains(b, a) {
		return 95
	}
	// Edit distance with swapped neighbours.
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			change := 1
			if a[i-1] == b[j-1] {
				change = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return max(0, 100-100*rows[len(a)][len(b)]/len(b))
}

// ranked puts the causes that most speaks for first, each name once.
func ranked(cs []Cause) []Cause {
	slices.SortStableFunc(cs, func(a, b Cause) int { return b.Weight - a.Weight })
	var out []Cause
	seen := map[string]int{}
	for _, c := range cs {
		if seen[c.Name]++; seen[c.Name] <= 2 && len(out) < 6 {
			out = append(out, c)
		}
	}
	return out
}

func convertE8(n, priceE8 int64) int64 {
	const e8 = 100_000_000
	return n/e8*priceE8 + n%e8*(priceE8/e8) + n%e8*(priceE8%e8)/e8
}

func abs(n int64) int64 { return max(n, -n) }

func amountText(n int64, currency string) string {
	return ledger.Minor(n).Decimal(ledger.Exponent(currency)) + " " + currency
}
