package config

import (
	"fmt"
	"regexp"
	"slices"
)

var seriesForm = regexp.MustCompile(`^[A-Za-z0-9]{1,10}$`)

// referenceFields are the fields of a Fortnox invoice that its lists can be searched by.
var referenceFields = []string{"ExternalInvoiceReference1", "ExternalInvoiceReference2", "YourOrderNumber", "YourReference", "OurReference", "OCR", "DocumentNumber"}

// erp reads [erp]: where vouchers go and how. Without it they go to SIE files.
func (r *reader) erp(file section) ERP {
	s := file.sub("erp", inERP, "[erp]")
	e := ERP{
		Provider:      s.word("provider", "sie", []string{"sie", "fortnox"}),
		Mode:          s.word("mode", "voucher", []string{"voucher", "document", "attach"}),
		Aggregate:     s.word("aggregate", "day", []string{"day", "document"}),
		Series:        s.text("series", "K", "K"),
		AutoPost:      s.yes("auto_post"),
		Period:        s.word("period", "first_open", []string{"first_open", "hold"}),
		LockedThrough: s.date("locked_through"),
	}
	if !seriesForm.MatchString(e.Series) {
		r.fail(s.place("series"), s.key("series"), fmt.Sprintf("series = %q is no voucher series: letters and digits only", e.Series), `write e.g. series = "K"`)
	}
	if !slices.Contains(r.targets, e.Provider) {
		r.fail(s.place("provider"), s.key("provider"), fmt.Sprintf("ERP provider %q is not built into this version", e.Provider), "it has "+list(quoted(r.targets)))
	}
	if e.Provider == "sie" {
		if e.Mode != "voucher" {
			r.fail(s.place("mode"), s.key("mode"), fmt.Sprintf("mode = %q: a SIE file holds vouchers only", e.Mode), `write mode = "voucher"`)
		}
		s.refuseUnknown(nil)
		return e
	}
	s.refuseUnknown(fortnoxKeys)
	e.Keys = map[string]string{}
	for _, name := range fortnoxKeys {
		env := envName("fortnox", name)
		switch name {
		case "reference_field":
			e.Keys[name] = s.word(name, "ExternalInvoiceReference1", referenceFields)
			e.plain = append(e.plain, name)
		case "base_url", "auth_url":
			if address := s.address(name, env); address != "" {
				e.Keys[name] = address
				e.plain = append(e.plain, name)
			}
		default:
			value, literal, ok := s.secret(name, name == "client_secret", env)
			if !ok {
				break
			}
			e.Keys[name] = value
			if literal && name != "client_secret" {
				e.plain = append(e.plain, name)
			}
		}
	}
	for _, name := range []string{"client_id", "client_secret"} {
		if s.lacks(name) && slices.Contains(r.targets, e.Provider) {
			r.fail(s.at, s.key(name), "[erp] has no "+name, fmt.Sprintf(`write %s = "${%s}"`, name, envName("fortnox", name)))
		}
	}
	return e
}
