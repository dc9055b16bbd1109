package pipeline

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestSectionsOfAReport(t *testing.T) {
	sections := [][]string{{"payout", "total"}, {"type", "amount"}}
	for _, tt := range []struct{ name, file, want, err string }{
		{name: "two tables", file: "payout;total\nP1;3\n\ntype;amount;note\nSALE;1;a\nSALE;2;\n",
			want: `{"offset":0,"sections":[[{"line":2,"payout":"P1","total":"3"}],[{"amount":"1","line":5,"note":"a","type":"SALE"},{"amount":"2","line":6,"note":"","type":"SALE"}]]}`},
		{name: "commas, quotes, a row of blanks between", file: "\xef\xbb\xbftotal,payout\r\n3,\"P,1\"\r\n,,\r\namount,type\r\n1,\"SA\r\nLE\"\r\n",
			want: `{"offset":0,"sections":[[{"line":2,"payout":"P,1","total":"3"}],[{"amount":"1","line":5,"type":"SA\nLE"}]]}`},
		{name: "no rows", file: "payout;total\nP1;0\n\ntype;amount\n", want: `{"offset":0,"sections":[[{"line":2,"payout":"P1","total":"0"}],[]]}`},
		{name: "a column twice", file: "payout;total;total\nP1;3;4\ntype;amount\n", want: `{"offset":0,"sections":[[{"line":2,"payout":"P1","total":"3"}],[]]}`},
		{name: "another report", file: "a;b\n1;2\n", err: "lacks the columns payout, total"},
		{name: "one table", file: "payout;total\nP1;3\n", err: "ends without a table that has the columns type, amount"},
		{name: "nothing", file: "", err: "ends without a table that has the columns payout, total"},
		{name: "cut off", file: "payout;total\nP1;3\n\ntype;amount\nSALE;1\nSA", err: "line 6 has 1 cells under 2"},
		{name: "an open quote", file: "payout;total\nP1;3\n\ntype;amount\nSALE;\"1\n", err: "cannot be read as a report"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			docs, err := sectionsJSON([]byte(tt.file), sections)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("err = %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil || len(docs) != 1 || string(docs[0]) != tt.want {
				t.Errorf("%s, %v\nwant %s", docs, err, tt.want)
			}
		})
	}
}

// Many rows come in portions that each name the payout, and none is lost.
func TestSectionsInPortions(t *testing.T) {
	file := "payout;total\nP1;3\n\ntype;amount\n"
	const n = 2*rowsAtATime + 1
	for i := range n {
		file += fmt.Sprintf("SALE;%d\n", i)
	}
	docs, err := sectionsJSON([]byte(file), [][]string{{"payout"}, {"type"}})
	if err != nil || len(docs) != 3 {
		t.Fatalf("%d portions, %v", len(docs), err)
	}
	next := 0
	for _, d := range docs {
		var doc struct{ Sections [][]map[string]any }
		if err := json.Unmarshal(d, &doc); err != nil {
			t.Fatal(err)
		}
		if len(doc.Sections) != 2 || len(doc.Sections[0]) != 1 {
			t.Fatalf("%s", d)
		}
		for _, r := range doc.Sections[1] {
			if r["amount"] != fmt.Sprint(next) {
				t.Fatalf("row %v, want %d", r, next)
			}
			next++
		}
	}
	if next != n {
		t.Errorf("%d rows of %d", next, n)
	}
}
