package console

import (
	"regexp"
	"strings"
	"testing"

	"github.com/kvitt/kvitt/pipeline"
)

// What a source sent is shown without what it says of people, and not at all where nobody can say what that is.
func TestWhatWasSentIsMasked(t *testing.T) {
	o := options(booked(t))
	b := open(t, o)
	body := plain(b.page("/explain?q=10001"))
	if !strings.Contains(body, "what the source sent, personal data masked") || !strings.Contains(body, "***") {
		t.Fatalf("nothing that was sent is shown, or nothing of it masked: %s", short(body, 3000))
	}
	if m := regexp.MustCompile(`(?:given_name|family_name|email|phone)"\s*:\s*"[^*"]+`).FindString(strings.ReplaceAll(body, "&#34;", `"`)); m != "" {
		t.Errorf("it shows %s", m)
	}
	o.Load = func() (*pipeline.Project, error) { return nil, errAsked }
	body = plain(open(t, o).page("/explain?q=10001"))
	if strings.Contains(body, "order_amount") || strings.Contains(body, "captured_amount") {
		t.Errorf("without a configuration it shows what was sent: %s", short(body, 3000))
	}
}
