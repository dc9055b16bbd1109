package ledger_test

import (
	"errors"
	"math"
	"math/big"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kvitt/kvitt/ledger"
)

func TestParseMinor(t *testing.T) {
	for _, tt := range []struct {
		name string
		text string
		exp  int
		want ledger.Minor
		err  error
	}{
		{name: "kronor and öre", text: "1250.00", exp: 2, want: 125000},
		{name: "whole kronor", text: "75", exp: 2, want: 7500},
		{name: "one decimal stands for tens of öre", text: "26.2", exp: 2, want: 2620},
		{name: "no digit before the point", text: ".11", exp: 2, want: 11},
		{name: "no digit after the point", text: "5.", exp: 2, want: 500},
		{name: "a debt", text: "-12.5", exp: 2, want: -1250},
		{name: "minus nothing is nothing", text: "-0.00", exp: 2, want: 0},
		{name: "zeros beyond the öre say nothing", text: "1.230000", exp: 2, want: 123},
		{name: "leading zeros say nothing", text: "0001.05", exp: 2, want: 105},
		{name: "yen have no decimals", text: "1000", exp: 0, want: 1000},
		{name: "yen written with zeros", text: "1000.00", exp: 0, want: 1000},
		{name: "dinars have three", text: "1.234", exp: 3, want: 1234},
		{name: "the largest amount there is", text: "92233720368547758.07", exp: 2, want: math.MaxInt64},
		{name: "half an öre is not rounded", text: "0.125", exp: 2, err: ledger.ErrAmount},
		{name: "half a yen is not rounded", text: "0.5", exp: 0, err: ledger.ErrAmount},
		{name: "one more than the largest", text: "92233720368547758.08", exp: 2, err: ledger.ErrAmount},
		{name: "far more than the largest", text: "99999999999999999999999", exp: 2, err: ledger.ErrAmount},
		{name: "nothing", text: "", exp: 2, err: ledger.ErrAmount},
		{name: "a point alone", text: ".", exp: 2, err: ledger.ErrAmount},
		{name: "a minus alone", text: "-", exp: 2, err: ledger.ErrAmount},
		{name: "two minuses", text: "--1", exp: 2, err: ledger.ErrAmount},
		{name: "a plus", text: "+1", exp: 2, err: ledger.ErrAmount},
		{name: "a minus behind", text: "1-", exp: 2, err: ledger.ErrAmount},
		{name: "two points", text: "1.2.3", exp: 3, err: ledger.ErrAmount},
		{name: "a decimal comma", text: "12,50", exp: 2, err: ledger.ErrAmount},
		{name: "thousands set apart", text: "1 250.00", exp: 2, err: ledger.ErrAmount},
		{name: "blanks around it", text: " 12.50", exp: 2, err: ledger.ErrAmount},
		{name: "powers of ten", text: "1e2", exp: 2, err: ledger.ErrAmount},
		{name: "a hexadecimal number", text: "0x10", exp: 2, err: ledger.ErrAmount},
		{name: "digits of another script", text: "١٢", exp: 2, err: ledger.ErrAmount},
		{name: "not a number", text: "NaN", exp: 2, err: ledger.ErrAmount},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := ledger.ParseMinor(tt.text, tt.exp)
			if !errors.Is(err, tt.err) {
				t.Errorf("ParseMinor(%q, %d): error %v, want %v", tt.text, tt.exp, err, tt.err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("ParseMinor(%q, %d) mismatch (-want +got):\n%s", tt.text, tt.exp, diff)
			}
		})
	}
}

func TestDecimal(t *testing.T) {
	for _, tt := range []struct {
		name   string
		amount ledger.Minor
		exp    int
		want   string
	}{
		{"every decimal is written", 125000, 2, "1250.00"},
		{"less than a krona", 5, 2, "0.05"},
		{"a debt of less than a krona", -5, 2, "-0.05"},
		{"nothing", 0, 2, "0.00"},
		{"yen", -1000, 0, "-1000"},
		{"dinars", 1234, 3, "1.234"},
		{"the largest debt there is", math.MinInt64, 2, "-92233720368547758.08"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, tt.amount.Decimal(tt.exp)); diff != "" {
				t.Errorf("Decimal() mismatch (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAbs(t *testing.T) {
	for _, m := range []ledger.Minor{-1, 0, 1, math.MaxInt64, -math.MaxInt64} {
		if got := m.Abs(); got < 0 || got != m && got != -m {
			t.Errorf("Minor(%d).Abs() = %d", m, got)
		}
	}
}

func TestExponent(t *testing.T) {
	want := map[string]int{"SEK": 2, "EUR": 2, "JPY": 0, "KRW": 0, "ISK": 0, "KWD": 3, "TND": 3, "": 2, "jpy": 2}
	got := map[string]int{}
	for cur := range want {
		got[cur] = ledger.Exponent(cur)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Exponent() mismatch (-want +got):\n%s", diff)
	}
}

func TestIsCurrency(t *testing.T) {
	want := map[string]bool{"SEK": true, "XXX": true, "sek": false, "SE": false, "SEKK": false, "": false, "S K": false, "SÖK": false, "ÅÄ": false}
	got := map[string]bool{}
	for cur := range want {
		got[cur] = ledger.IsCurrency(cur)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("IsCurrency() mismatch (-want +got):\n%s", diff)
	}
}

// An amount that is written and read again is the same amount.
func FuzzAmountsSurviveWriting(f *testing.F) {
	for _, n := range []int64{0, 1, -1, 99, -100, 12345, math.MaxInt64, -math.MaxInt64} {
		for exp := range uint8(4) {
			f.Add(n, exp)
		}
	}
	f.Fuzz(func(t *testing.T, n int64, exp uint8) {
		if n == math.MinInt64 {
			t.Skip("has no positive counterpart; it is refused, see FuzzReadingNeverRounds")
		}
		e := int(exp % 4)
		text := ledger.Minor(n).Decimal(e)
		got, err := ledger.ParseMinor(text, e)
		if err != nil || got != ledger.Minor(n) {
			t.Errorf("%d is written %q and read as %d, %v", n, text, got, err)
		}
	})
}

var plainNumber = regexp.MustCompile(`^-?([0-9]+\.?[0-9]*|\.[0-9]+)$`)

// What is read is exactly what is written, or nothing is read at all. Everything that
// is a plain number and fits is read.
func FuzzReadingNeverRounds(f *testing.F) {
	for _, s := range []string{"0.125", "1250.00", ".11", "-75", "1e2", "92233720368547758.07", "-92233720368547758.08", "1.", ".", "0.10", "1_000", "0b1"} {
		for exp := range uint8(4) {
			f.Add(s, exp)
		}
	}
	f.Fuzz(func(t *testing.T, text string, exp uint8) {
		e := int(exp % 4)
		got, err := ledger.ParseMinor(text, e)
		if !plainNumber.MatchString(text) {
			if err == nil {
				t.Fatalf("%q is no plain number, and is read as %d", text, got)
			}
			return
		}
		exact, ok := new(big.Rat).SetString(text)
		if !ok {
			t.Fatalf("%q is no number to math/big", text)
		}
		exact.Mul(exact, new(big.Rat).SetInt(new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(e)), nil)))
		fits := exact.IsInt() && new(big.Int).Abs(exact.Num()).Cmp(big.NewInt(math.MaxInt64)) <= 0
		switch {
		case err != nil && !errors.Is(err, ledger.ErrAmount):
			t.Errorf("%q with %d decimals: %v does not wrap ErrAmount", text, e, err)
		case fits != (err == nil):
			t.Errorf("%q with %d decimals: fits %v, error %v", text, e, fits, err)
		case fits && exact.Num().Int64() != int64(got):
			t.Errorf("%q with %d decimals is %s, read as %d", text, e, exact.Num(), got)
		}
	})
}
