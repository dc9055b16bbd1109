package extract

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"mime"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"unicode"
)

// Credential checks the form of a key: a value that was pasted with a line break or a blank around it is seen before it
// is refused by the provider. The value is in no message.
func Credential(name, value string) error {
	switch {
	case value == "":
		return fmt.Errorf("%s: is empty", name)
	case strings.ContainsFunc(value, unicode.IsControl):
		return fmt.Errorf("%s: holds a line break or another control character", name)
	case strings.TrimSpace(value) != value:
		return fmt.Errorf("%s: begins or ends with a blank", name)
	}
	return nil
}

// Token is Credential for a key that has no blank anywhere.
func Token(name, value string) error {
	if err := Credential(name, value); err != nil {
		return err
	}
	if strings.ContainsFunc(value, unicode.IsSpace) {
		return fmt.Errorf("%s: holds a blank", name)
	}
	return nil
}

// Address reads base_url, the address that the documented paths are appended to. secret names what plain HTTP would
// show to everyone on the way.
func Address(base, secret string) (*url.URL, error) {
	u, err := url.Parse(strings.TrimRight(base, "/"))
	if err != nil {
		// The text of a *url.Error holds the whole address, and perhaps a password in it.
		return nil, errors.New("base_url: is not an address")
	}
	switch {
	case u.User != nil:
		return nil, errors.New("base_url: holds a username or password; they have keys of their own")
	case u.Scheme != "https" && u.Scheme != "http" || u.Hostname() == "":
		return nil, fmt.Errorf("base_url: %q does not begin with https:// and a host", base)
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, errors.New("base_url: holds a query or a fragment")
	case u.Scheme == "http" && !near(u.Hostname()):
		return nil, fmt.Errorf("base_url: %q would send %s in the clear; use https", base, secret)
	}
	return u, nil
}

// near reports whether host is this machine or one beside it, where a test server may speak plain HTTP: a
// loopback or private address, a name without a dot, or one under a domain that the public network does not have.
func near(host string) bool {
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.IsLoopback() || ip.IsPrivate()
	}
	i := strings.LastIndexByte(host, '.')
	return i < 0 || slices.Contains([]string{".localhost", ".internal", ".test"}, strings.ToLower(host[i:]))
}

// Unreachable says why no whole answer came. The address is cut from the message, since a query may hold a key: At
// names the path. do is the advice when another server seems to answer.
//
// Errors: the context's; ErrRefused for a certificate that is not the host's; otherwise ErrTransient.
func Unreachable(ctx context.Context, err error, do string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if at, ok := errors.AsType[*url.Error](err); ok {
		err = at.Err
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return Advise(fmt.Errorf("%w: %w", ErrRefused, err), do)
	}
	return fmt.Errorf("%w: %w", ErrTransient, err)
}

// Clip keeps a provider's text from filling a log: control characters become blanks, and what is beyond 500
// characters is cut.
func Clip(s string) string {
	runes := []rune(strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, s))
	if len(runes) > 500 {
		return string(runes[:500]) + "…"
	}
	return string(runes)
}

// MediaType returns the media type of an answer without its parameters, or what it is taken for when it states none.
func MediaType(h http.Header, none string) string {
	if t, _, err := mime.ParseMediaType(h.Get("Content-Type")); err == nil && t != "" {
		return t
	}
	return none
}

// CheckID refuses an ID that cannot stand in a path, or is longer than any. Others are escaped.
func CheckID(id string, longest int) error {
	switch {
	case strings.TrimSpace(id) == "" || id == "." || id == "..":
		return fmt.Errorf("%w: %q is no ID", ErrRefused, id)
	case len(id) > longest:
		return fmt.Errorf("%w: an ID of %d characters", ErrRefused, len(id))
	case strings.ContainsFunc(id, unicode.IsControl):
		return fmt.Errorf("%w: the ID %q holds a control character", ErrRefused, id)
	}
	return nil
}
