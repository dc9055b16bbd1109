package fortnox

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/load"
)

// A class says what to do about a refusal.
type class int

const (
	unknown class = iota // permanent, for a person
	retry                // may pass
	stop                 // licence, scope, sign-in: nothing else will go either
	config               // a setting here or in Fortnox
	data                 // this document
	bug                  // we sent what may not be sent
)

// An Error is an answer of Fortnox that is no success.
type Error struct {
	Status  int
	Code    int
	Message string // as Fortnox wrote it, in Swedish
	Class   class
	Do      string
}

func (e *Error) Error() string {
	s := fmt.Sprintf("Fortnox answers %d", e.Status)
	if e.Message != "" {
		s = "Fortnox: " + e.Message
	}
	if e.Code != 0 {
		s += fmt.Sprintf(" (%d)", e.Code)
	}
	if e.Do != "" {
		s += ": " + e.Do
	}
	return s
}

// Unwrap says whether the other documents may go on.
func (e *Error) Unwrap() error {
	switch e.Class {
	case stop:
		return load.ErrStop
	case retry:
		return load.ErrUnsure
	}
	return load.ErrRefused
}

// readError reads the bodies Fortnox answers errors with: ErrorInformation in two spellings, {"message"}, OAuth's,
// and whatever stands before it on the way.
func readError(status int, body []byte) *Error {
	e := &Error{Status: status}
	var said struct {
		ErrorInformation struct {
			Message text `json:"message"`
			Code    text `json:"code"`
		}
		Message     text `json:"message"`
		Error       json.RawMessage
		Description text `json:"error_description"`
	}
	if json.Unmarshal(body, &said) == nil {
		e.Message = string(said.ErrorInformation.Message)
		e.Code, _ = strconv.Atoi(string(said.ErrorInformation.Code))
		if e.Message == "" {
			e.Message = string(said.Message)
		}
		if e.Message == "" {
			e.Message = string(said.Description)
		}
	}
	e.Class, e.Do = advise(status, e.Code, e.Message)
	return e
}

// hasCode tells the ErrorInformation shape from the bare {"message":"unauthorized"} of a token that ran out.
func hasCode(body []byte) bool {
	e := readError(401, body)
	return e.Code != 0 && e.Code != 2000310 && e.Code != 2000311 && e.Code != 2004054
}

type advice struct {
	class class
	do    string
}

// codes are those collected from Fortnox's pages, recorded traffic and other clients. There is no list by Fortnox.
var codes = map[int]advice{
	1000003: {retry, "Fortnox has a problem; it is tried again"},
	1000030: {bug, ""}, 1000031: {bug, ""},
	2000106: {bug, ""}, 2000107: {bug, ""}, 2000108: {bug, ""}, 2000134: {bug, ""},
	2000310: {stop, "sign in again: kvitt connect fortnox"},
	2000311: {stop, "sign in again: kvitt connect fortnox"},
	2004054: {stop, "sign in again: kvitt connect fortnox"},
	2000359: {data, "a text holds a character Fortnox does not take"},
	2000401: {data, `the period is locked. Open it (Inställningar, Bokföring, Låst period), or set [erp] period = "first_open"`},
	2000423: {config, "add the account in Fortnox (Inställningar, Bokföring, Kontoplan) for that financial year, or change it in kvitt.toml"},
	2001304: {config, "add the account in Fortnox (Inställningar, Bokföring, Kontoplan) for that financial year, or change it in kvitt.toml"},
	2000550: {config, "activate the account in Fortnox (Inställningar, Bokföring, Kontoplan), or change it in kvitt.toml"},
	2000427: {config, "add the currency in Fortnox (Register, Valutor)"},
	2000428: {data, "the article is gone from Fortnox"},
	2000433: {data, "the customer is gone from Fortnox; kvitt makes it again on the next post"},
	2000434: {data, "the invoice is gone from Fortnox; kvitt verify --erp says which"},
	2000439: {data, "the order is gone from Fortnox"},
	2000429: {config, "choose terms of payment that exist in Fortnox as the default (Inställningar, Order/Faktura)"},
	2000430: {config, "the price list lacks a price; check the default price list in Fortnox"},
	2000431: {config, "choose a price list that exists as the default in Fortnox"},
	2000432: {config, "add the unit in Fortnox"},
	2000435: {config, "choose terms of delivery that exist in Fortnox as the default"},
	2000587: {bug, ""}, 2000588: {bug, ""},
	2000637: {data, "the customer number was used before; Fortnox never gives a deleted one out again"},
	2000663: {stop, "the company or the integration user lacks the licence or scope. Add it in Fortnox, then: kvitt connect fortnox"},
	2001101: {stop, "the company or the integration user lacks the licence (Order, Faktura, Bokföring, Integration). Add it in Fortnox"},
	2001103: {stop, "the integration lacks the scope. Run: kvitt connect fortnox"},
	2001393: {stop, "the integration user lacks the right. Give it in Fortnox (Administrera användare)"},
	2002455: {stop, "the integration user lacks the right. Give it in Fortnox (Administrera användare)"},
	2000719: {stop, "the code was used or is older than ten minutes. Run: kvitt connect fortnox"},
	2001089: {data, "the payment is dated before the invoice"},
	2001161: {config, "the project does not exist in Fortnox"},
	2001265: {config, "set the predefined account in Fortnox (Inställningar, Bokföring, Automatkonton)"},
	2001403: {config, "set the predefined account in Fortnox (Inställningar, Bokföring, Automatkonton)"},
	2002462: {config, "set the predefined account in Fortnox (Inställningar, Bokföring, Automatkonton)"},
	2001392: {bug, ""}, 2001399: {bug, ""}, 2002115: {bug, ""}, 2001740: {bug, ""},
	2003977: {bug, ""},
	2004052: {config, "the VAT code does not fit the account. Correct the account's VAT code in Fortnox (Kontoplan)"},
	2004167: {config, "the company uses EasyVat: give the sales account in Fortnox a VAT code"},
}

// words are failures that come without a known code.
var words = []struct {
	part string
	advice
}{
	{"inte manuell", advice{stop, "make the voucher series manual in Fortnox (Inställningar, Bokföring, Verifikationsserier)"}},
	{"verifikationsserie", advice{stop, "add the voucher series for that financial year in Fortnox (Inställningar, Bokföring, Verifikationsserier)"}},
	{"förvalt konto", advice{config, "set the predefined account in Fortnox (Inställningar, Bokföring, Automatkonton)"}},
	{"räkenskapsår", advice{data, "the date is in another financial year than the invoice"}},
	{"bokföringsår", advice{config, "add the financial year in Fortnox (Inställningar, Bokföring, Räkenskapsår); kvitt does not make years"}},
	{"låst", advice{data, `the period is locked. Open it in Fortnox, or set [erp] period = "first_open"`}},
	{"kostnadsställe", advice{config, "cost centres need their licence in Fortnox"}},
	{"licens", advice{stop, "the company lacks the licence. Add it in Fortnox"}},
	{"behörighet", advice{stop, "the integration user lacks the right or licence. Give it in Fortnox (Administrera användare)"}},
	{"moms", advice{config, "add the VAT rate in Fortnox (Inställningar, Bokföring, Momskoder)"}},
	{"valuta", advice{config, "add the currency in Fortnox (Register, Valutor)"}},
	{"leveranssätt", advice{config, "choose a way of delivery that exists as the default in Fortnox"}},
}

func advise(status, code int, message string) (class, string) {
	if a, ok := codes[code]; ok {
		if a.class == bug {
			return bug, "kvitt sent what Fortnox does not take; please report it"
		}
		return a.class, a.do
	}
	low := strings.ToLower(message)
	for _, w := range words {
		if strings.Contains(low, w.part) {
			return w.class, w.do
		}
	}
	switch {
	case status == 401:
		return stop, "sign in again: kvitt connect fortnox"
	case status == 403:
		return stop, "the integration lacks a licence or scope in Fortnox"
	case status == 408, status == 425, status == 429, status >= 500:
		return retry, "it is tried again"
	}
	return unknown, "kvitt does not know this refusal; correct what Fortnox says and post again"
}
