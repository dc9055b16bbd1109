package fortnox

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"

	"github.com/kvitt/kvitt/ledger"
)

// Fortnox writes one thing as a number in one place and as text in another. These types
// read either; what they write is what the OpenAPI file says.

// text is a string, or a number or boolean read as one. null and what is missing are "".
type text string

func (x *text) UnmarshalJSON(b []byte) error {
	b = bytes.TrimSpace(b)
	switch {
	case string(b) == "null":
		*x = ""
		return nil
	case len(b) > 0 && b[0] == '"':
		var s string
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
		*x = text(s)
		return nil
	case len(b) > 0 && (b[0] == '{' || b[0] == '['):
		return fmt.Errorf("text wanted, %.20q found", b)
	}
	*x = text(b)
	return nil
}

// number returns x as a whole number, 0 when it is none.
func (x text) number() int {
	n, _ := strconv.Atoi(string(x))
	return n
}

// yes is a boolean, or "true" and "false" as text.
type yes bool

func (x *yes) UnmarshalJSON(b []byte) error {
	switch s := strings.ToLower(strings.Trim(string(bytes.TrimSpace(b)), `"`)); s {
	case "true", "1":
		*x = true
	case "false", "0", "", "null":
		*x = false
	default:
		return fmt.Errorf("true or false wanted, %.20q found", b)
	}
	return nil
}

// amount is money in kronor with at most two decimals; it is never a float.
type amount ledger.Minor

func (x amount) MarshalJSON() ([]byte, error) {
	s := ledger.Minor(x).Decimal(2)
	s = strings.TrimSuffix(s, ".00")
	if strings.Contains(s, ".") {
		s = strings.TrimRight(s, "0")
	}
	return []byte(s), nil
}

func (x *amount) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	if t == "" {
		*x = 0
		return nil
	}
	s := strings.ReplaceAll(strings.ReplaceAll(string(t), " ", ""), ",", ".")
	if len(s) > 40 {
		return fmt.Errorf("amount %.20q is too long", s)
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok {
		return fmt.Errorf("amount %.20q is no number", s)
	}
	r.Mul(r, big.NewRat(100, 1))
	// Half away from zero: a server that computes in floats says 12.499999999999998.
	half := big.NewRat(1, 2)
	if r.Sign() < 0 {
		half.Neg(half)
	}
	r.Add(r, half)
	n := new(big.Int).Quo(r.Num(), r.Denom())
	if !n.IsInt64() {
		return fmt.Errorf("amount %.20q is too large", s)
	}
	*x = amount(n.Int64())
	return nil
}

type wireInvoice struct {
	AdministrationFee         *amount   `json:"AdministrationFee,omitempty"`
	Comments                  text      `json:"Comments,omitempty"`
	Currency                  text      `json:"Currency,omitempty"`
	CustomerNumber            text      `json:"CustomerNumber,omitempty"`
	CustomerName              text      `json:"CustomerName,omitempty"`
	DeliveryDate              text      `json:"DeliveryDate,omitempty"`
	DocumentNumber            text      `json:"DocumentNumber,omitempty"`
	DueDate                   text      `json:"DueDate,omitempty"`
	ExternalInvoiceReference1 text      `json:"ExternalInvoiceReference1,omitempty"`
	ExternalInvoiceReference2 text      `json:"ExternalInvoiceReference2,omitempty"`
	Freight                   *amount   `json:"Freight,omitempty"`
	InvoiceDate               text      `json:"InvoiceDate,omitempty"`
	InvoiceRows               []wireRow `json:"InvoiceRows,omitempty"`
	InvoiceType               text      `json:"InvoiceType,omitempty"`
	OCR                       text      `json:"OCR,omitempty"`
	OurReference              text      `json:"OurReference,omitempty"`
	Remarks                   text      `json:"Remarks,omitempty"`
	VATIncluded               *yes      `json:"VATIncluded,omitempty"`
	YourOrderNumber           text      `json:"YourOrderNumber,omitempty"`
	YourReference             text      `json:"YourReference,omitempty"`

	invoiceAnswer
}

// invoiceAnswer is what only Fortnox writes. The fields that are pointers are told from zero when missing.
type invoiceAnswer struct {
	Balance                *amount `json:"Balance,omitempty"`
	Booked                 yes     `json:"Booked,omitempty"`
	Cancelled              yes     `json:"Cancelled,omitempty"`
	Credit                 yes     `json:"Credit,omitempty"`
	CreditInvoiceReference text    `json:"CreditInvoiceReference,omitempty"`
	RoundOff               amount  `json:"RoundOff,omitzero"`
	Total                  *amount `json:"Total,omitempty"`
	TotalToPay             *amount `json:"TotalToPay,omitempty"`
	TotalVAT               *amount `json:"TotalVAT,omitempty"`
	VoucherNumber          text    `json:"VoucherNumber,omitempty"`
	VoucherSeries          text    `json:"VoucherSeries,omitempty"`
	VoucherYear            text    `json:"VoucherYear,omitempty"`
	FinalPayDate           text    `json:"FinalPayDate,omitempty"`
}

type wireRow struct {
	AccountNumber     int    `json:"AccountNumber,omitempty"`
	DeliveredQuantity string `json:"DeliveredQuantity,omitempty"`
	OrderedQuantity   string `json:"OrderedQuantity,omitempty"` // of orders
	Description       string `json:"Description,omitempty"`
	Price             amount `json:"Price"`
	VAT               int    `json:"VAT"`
}

func (r *wireRow) UnmarshalJSON(b []byte) error {
	var x struct {
		AccountNumber     text
		DeliveredQuantity text
		OrderedQuantity   text
		Description       text
		Price             amount
		VAT               amount
	}
	if err := json.Unmarshal(b, &x); err != nil {
		return err
	}
	*r = wireRow{x.AccountNumber.number(), string(x.DeliveredQuantity), string(x.OrderedQuantity), string(x.Description), x.Price, int(x.VAT) / 100}
	return nil
}

type wireOrder struct {
	Comments                  text      `json:"Comments,omitempty"`
	Currency                  text      `json:"Currency,omitempty"`
	CustomerNumber            text      `json:"CustomerNumber,omitempty"`
	DocumentNumber            text      `json:"DocumentNumber,omitempty"`
	ExternalInvoiceReference1 text      `json:"ExternalInvoiceReference1,omitempty"`
	ExternalInvoiceReference2 text      `json:"ExternalInvoiceReference2,omitempty"`
	OrderDate                 text      `json:"OrderDate,omitempty"`
	OrderRows                 []wireRow `json:"OrderRows,omitempty"`
	VATIncluded               *yes      `json:"VATIncluded,omitempty"`
	YourOrderNumber           text      `json:"YourOrderNumber,omitempty"`
	OurReference              text      `json:"OurReference,omitempty"`
	Cancelled                 yes       `json:"Cancelled,omitempty"`
	InvoiceReference          text      `json:"InvoiceReference,omitempty"`
	Total                     *amount   `json:"Total,omitempty"`
}

type wirePayment struct {
	Amount                    *amount        `json:"Amount,omitempty"`
	AmountCurrency            *amount        `json:"AmountCurrency,omitempty"`
	Booked                    yes            `json:"Booked,omitempty"`
	ExternalInvoiceReference1 text           `json:"ExternalInvoiceReference1,omitempty"`
	InvoiceNumber             intText        `json:"InvoiceNumber,omitempty"`
	ModeOfPayment             text           `json:"ModeOfPayment,omitempty"`
	ModeOfPaymentAccount      intText        `json:"ModeOfPaymentAccount,omitempty"`
	Number                    text           `json:"Number,omitempty"`
	PaymentDate               text           `json:"PaymentDate,omitempty"`
	VoucherNumber             text           `json:"VoucherNumber,omitempty"`
	VoucherSeries             text           `json:"VoucherSeries,omitempty"`
	VoucherYear               text           `json:"VoucherYear,omitempty"`
	WriteOffs                 []wireWriteOff `json:"WriteOffs,omitempty"`
}

type wireWriteOff struct {
	AccountNumber          intText `json:"AccountNumber"`
	Amount                 amount  `json:"Amount"`
	Currency               text    `json:"Currency,omitempty"`
	Description            text    `json:"Description,omitempty"`
	TransactionInformation text    `json:"TransactionInformation,omitempty"`
}

// intText is a whole number, read from text too.
type intText int

func (x *intText) UnmarshalJSON(b []byte) error {
	var t text
	if err := t.UnmarshalJSON(b); err != nil {
		return err
	}
	if t == "" {
		*x = 0
		return nil
	}
	n, err := strconv.Atoi(string(t))
	*x = intText(n)
	return err
}

type wireVoucher struct {
	Comments        text             `json:"Comments,omitempty"`
	Description     text             `json:"Description,omitempty"`
	TransactionDate text             `json:"TransactionDate,omitempty"`
	VoucherNumber   intText          `json:"VoucherNumber,omitempty"`
	VoucherRows     []wireVoucherRow `json:"VoucherRows,omitempty"`
	VoucherSeries   text             `json:"VoucherSeries,omitempty"`
	Year            intText          `json:"Year,omitempty"`
}

type wireVoucherRow struct {
	Account                intText `json:"Account"`
	Debit                  amount  `json:"Debit"`
	Credit                 amount  `json:"Credit"`
	Description            text    `json:"Description,omitempty"`
	TransactionInformation text    `json:"TransactionInformation,omitempty"`
	Removed                yes     `json:"Removed,omitempty"`
}

type wireYear struct {
	ID               intText `json:"Id"`
	FromDate, ToDate text
	AccountingMethod text
}

type wireAccount struct {
	Number      intText
	Active      *yes
	Description text
	VATCode     text
}

type wireSeries struct {
	Code   text
	Manual *yes
}

type wireMode struct {
	Code          text `json:"Code,omitempty"`
	Description   text `json:"Description,omitempty"`
	AccountNumber text `json:"AccountNumber"`
}

type wireCustomer struct {
	CustomerNumber text `json:"CustomerNumber,omitempty"`
	Name           text `json:"Name,omitempty"`
	Type           text `json:"Type,omitempty"`
	VATType        text `json:"VATType,omitempty"`
	CountryCode    text `json:"CountryCode,omitempty"`
	Active         *yes `json:"Active,omitempty"`
}

// wrapped is {"Invoice": …}.
type wrapped[T any] struct {
	Invoice        *T `json:"Invoice,omitempty"`
	Order          *T `json:"Order,omitempty"`
	InvoicePayment *T `json:"InvoicePayment,omitempty"`
	Voucher        *T `json:"Voucher,omitempty"`
	Customer       *T `json:"Customer,omitempty"`
	ModeOfPayment  *T `json:"ModeOfPayment,omitempty"`
}
