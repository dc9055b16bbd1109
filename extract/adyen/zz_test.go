package adyen_test

import (
	"os"
	"strings"
	"testing"
	"context"
	"io/fs"

	"github.com/kvitt/kvitt/extract/adyen"
"github.com/kvitt/kvitt/sql/duck"
)

func TestZZ(t *testing.T) {
	db := open(t)
	for _, tt := range [][2]string{
		{"9.9,", "9999999999999.99,"},
		{"9.9,", "1e13,"}, {"9.9,", "1e-3,"}, {"9.9,", "1E1,"},
		{"9.9,", "9.90 ,"},{"9.9,", " 9.9,"},{"9.9,", "+9.9,"},{"9.9,", "1_000,"},
		{".1,", "99999999999,"},{".1,", "999999999999,"},
		{"2026-03-02 09:15:00", "infinity"}, {"2026-03-02 09:15:00", "290309-12-22 (BC) 00:00:00"},{"2026-03-02 09:15:00", "294247-01-10 00:00:00"},{"2026-03-02 09:15:00", "2026-03-02T09:15:00+01:00"},{"2026-03-02 09:15:00", "2026-03-02"},{"2026-03-02 09:15:00", "03/02/2026 09:15"},
		{",1,SEK", ",99999999999999999,EUR"},
		{",1,SEK", ",999999999999,EUR"},
		{",1,SEK", ",0.0000571234,EUR"},
		{",1,SEK", ",1.1e1,EUR"},
		{"SEK,,10,1,SEK", "IDR,,100000000,0.0000571234,EUR"},
		{"SEK,,10,1,SEK,,9.9,.1", "IDR,,100000000,0.0000571234,EUR,,5712.34,"},
		{"SEK,,10,1,SEK,,9.9,.1", "VND,,10000000,0.000412345678,SEK,,4123.46,"},
		{"SEK,,10,1,SEK,,9.9,.1", "sek,,10,1,SEK,,9.9,.1"},
		{"SEK,,10,1,SEK,,9.9,.1", "JPY,,100,1,jpy,,99,1"},
	} {
		row := "Merchant Account,Psp Reference,Merchant Reference,Creation Date,TimeZone,Type,Modification Reference,Gross Currency,Gross Debit (GC),Gross Credit (GC),Exchange Rate,Net Currency,Net Debit (NC),Net Credit (NC),Commission (NC),Markup (NC),Scheme Fees (NC),Interchange (NC),Batch Number\nShopSE,A1,x,2026-03-02 09:15:00,CET,Settled,M1,SEK,,10,1,SEK,,9.9,.1,,,,9\n"
		row = strings.Replace(row, tt[0], tt[1], 1)
		os.WriteFile("/tmp/t/x.csv", []byte(row), 0o644)
		b, _ := os.ReadFile("/tmp/t/x.csv"); _ = b
		stageQuiet(t, db)
		model, _ := fs.ReadFile(adyen.Source().Files, adyen.Source().Models[0].File)
		got, err := db.Texts(context.Background(), "select concat_ws('|', event_at, currency, gross_minor, fee_minor, 'net', net_minor, 'off', row_off_minor) from (\n"+string(model)+"\n)")
		t.Logf("%q -> %v %.150v", tt[1], got, err)
	}
}


func stageQuiet(t *testing.T, db *duck.DB) {
	b, _ := os.ReadFile("/tmp/t/x.csv")
	header, _, _ := strings.Cut(string(b), "\n")
	var cols []string
	for _, n := range strings.Split(header, ",") { cols = append(cols, duck.Quote(n)+": 'VARCHAR'") }
	if err := db.Exec(context.Background(), "create or replace temp view raw as select nullif(columns(*), ''), null::varchar as \"Payment Method\", null::varchar as \"Modification Merchant Reference\" from read_csv('/tmp/t/x.csv', auto_detect=false, header=true, delim=',', columns={"+strings.Join(cols, ", ")+"})"); err != nil { t.Fatal(err) }
}
