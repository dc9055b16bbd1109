package console

import (
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/go-analyze/charts"
)

// Charts are SVG made by github.com/go-analyze/charts, the fork of vicanso/go-charts and
// wcharczuk/go-chart whose authors still keep it. They are pictures of their own and not part of the page: the
// library writes style attributes, which the page's policy would not allow. A chart's
// numbers are floats: it is drawn with them, and nothing is added up. The table beside a chart has the exact amounts.

type chartCache struct {
	mu    sync.Mutex
	stamp stamp
	svg   map[string][]byte
}

func (c *console) chart(w http.ResponseWriter, r *http.Request) {
	v, ok := c.enter(w, r)
	if !ok {
		return
	}
	name, dark := r.PathValue("name"), v.Query.Get("theme") == "dark"
	narrow := v.Query.Get("size") == "narrow"
	sh, err := c.books.open(r.Context(), false)
	if err != nil {
		http.Error(w, "nothing is booked yet", http.StatusNotFound)
		return
	}
	defer sh.done()
	key := name + v.Lang + strconv.FormatBool(dark) + strconv.FormatBool(narrow)
	c.charts.mu.Lock()
	if c.charts.stamp != sh.stamp {
		c.charts.stamp, c.charts.svg = sh.stamp, map[string][]byte{}
	}
	svg := c.charts.svg[key]
	c.charts.mu.Unlock()
	if svg == nil {
		switch name {
		case "paid.svg":
			svg, err = c.paidChart(r, v, sh, dark, narrow)
		case "fees.svg":
			svg, err = c.feesChart(r, v, sh, dark, narrow)
		default:
			http.NotFound(w, r)
			return
		}
		if err != nil {
			c.Log.Error("a chart failed", "chart", name, "error", err)
			http.Error(w, "something went wrong; the log says what", http.StatusInternalServerError)
			return
		}
		c.charts.mu.Lock()
		if c.charts.stamp == sh.stamp {
			c.charts.svg[key] = svg
		}
		c.charts.mu.Unlock()
	}
	h := w.Header()
	h.Set("Content-Type", "image/svg+xml")
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox")
	h.Set("Cache-Control", "private, max-age=3600")
	_, _ = w.Write(svg)
}

func theme(dark bool) charts.ColorPalette {
	hex := charts.ColorFromHex
	o := charts.ThemeOption{
		BackgroundColor: charts.ColorTransparent, AxisStrokeColor: hex("#b9c0c9"), AxisSplitLineColor: hex("#e4e8ec"),
		TextColor: hex("#4a5561"), SeriesColors: []charts.Color{hex("#1f6f5c"), hex("#c08a2b"), hex("#4c6fb1"), hex("#9b4d73"), hex("#6b7a3a"), hex("#7a5a3c")},
	}
	if dark {
		o.IsDarkMode = true
		o.AxisStrokeColor, o.AxisSplitLineColor, o.TextColor = hex("#4a5561"), hex("#2b333c"), hex("#aab4bf")
		o.SeriesColors = []charts.Color{hex("#5cc2a6"), hex("#e0b25c"), hex("#86a6e6"), hex("#d98bb3"), hex("#aebd70"), hex("#c19b77")}
	}
	return charts.MakeTheme(o)
}

func (v *view) axis(f float64) string { return v.Amount(strconv.FormatInt(int64(math.Round(f)), 10)) }

func draw(dark, narrow bool, bars charts.BarChartOption) ([]byte, error) {
	width, height := 640, 220
	if narrow {
		width = 360
	}
	p := charts.NewPainter(charts.PainterOptions{OutputFormat: charts.ChartOutputSVG, Width: width, Height: height, Theme: theme(dark)})
	bars.Theme = theme(dark)
	bars.Padding = charts.NewBox(4, 12, 12, 4)
	if err := p.BarChart(bars); err != nil {
		return nil, err
	}
	return p.Bytes()
}

// paidChart is what was paid out on each of the last days with a payout.
func (c *console) paidChart(r *http.Request, v *view, sh *shelf, dark, narrow bool) ([]byte, error) {
	rows, _, err := sh.rows(r.Context(), byDayQuery, listLimit)
	if err != nil {
		return nil, err
	}
	slices.Reverse(rows)
	var labels []string
	var values []float64
	for _, x := range rows {
		f, _ := strconv.ParseFloat(x["amount"], 64)
		labels, values = append(labels, strings.TrimPrefix(x["day"], x["day"][:5])), append(values, f)
	}
	if len(values) == 0 {
		labels, values = []string{""}, []float64{0}
	}
	o := charts.NewBarChartOptionWithData([][]float64{values})
	o.CategoryAxis.Labels = labels
	o.ValueFormatter = v.axis
	if narrow {
		o.CategoryAxis.LabelCount = 5
	}
	return draw(dark, narrow, o)
}

// feesChart is what each source kept, by month.
func (c *console) feesChart(r *http.Request, v *view, sh *shelf, dark, narrow bool) ([]byte, error) {
	rows, _, err := sh.rows(r.Context(), feesByMonthQuery, listLimit)
	if err != nil {
		return nil, err
	}
	var months, sources []string
	for _, x := range rows {
		if !slices.Contains(months, x["month"]) {
			months = append(months, x["month"])
		}
		if !slices.Contains(sources, x["source"]) {
			sources = append(sources, x["source"])
		}
	}
	if len(months) > 12 {
		months = months[len(months)-12:]
	}
	values := make([][]float64, len(sources))
	for i := range values {
		values[i] = make([]float64, len(months))
	}
	for _, x := range rows {
		if m := slices.Index(months, x["month"]); m >= 0 {
			values[slices.Index(sources, x["source"])][m], _ = strconv.ParseFloat(x["fees"], 64)
		}
	}
	if len(values) == 0 {
		months, sources, values = []string{""}, []string{""}, [][]float64{{0}}
	}
	o := charts.NewBarChartOptionWithData(values)
	o.CategoryAxis.Labels = months
	o.ValueFormatter = v.axis
	if len(sources) > 1 {
		o.Legend.SeriesNames = sources
	}
	return draw(dark, narrow, o)
}
