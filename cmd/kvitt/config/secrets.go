package config

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2/unstable"
)

var (
	envRef  = regexp.MustCompile(`^\$\{([A-Za-z_][A-Za-z0-9_]*)\}$`)
	envPart = regexp.MustCompile(`\$\{[A-Za-z_][A-Za-z0-9_]*\}`)
)

// secret returns the value of a provider's or ERP's key, with "${NAME}" and "file:PATH"
// replaced by what they name, and whether it stands in the file as it is. A secret that
// does is warned about, naming env as the variable to use instead. No message shows a
// value: a password may have been put in the wrong key.
//
// ok is false when the key is absent or was reported.
func (s section) secret(name string, isSecret bool, env string) (value string, literal, ok bool) {
	v := s.get(name)
	if v == nil {
		return "", false, false
	}
	switch v.kind {
	case unstable.String:
	case unstable.Integer:
		n, err := strconv.ParseInt(strings.ReplaceAll(v.text, "_", ""), 0, 64)
		if err != nil {
			s.r.fail(v.at, s.key(name), name+" is no number", "write it in quotes")
			return "", false, false
		}
		return s.literal(v, name, strconv.FormatInt(n, 10), isSecret, env), true, true
	case unstable.Bool, unstable.LocalDate:
		return s.literal(v, name, v.text, isSecret, env), true, true
	default:
		s.r.fail(v.at, s.key(name), name+" is text", "write it in quotes")
		return "", false, false
	}

	why, do := "", ""
	switch {
	case v.text == "":
		why, do = name+" is empty", fmt.Sprintf(`write %s = "${%s}" and set that variable`, name, env)
	case envRef.MatchString(v.text):
		varName := envRef.FindStringSubmatch(v.text)[1]
		set := false
		if s.r.env != nil {
			value, set = s.r.env(varName)
		}
		if set && value != "" {
			return value, false, true
		}
		why, do = fmt.Sprintf("the environment variable %s of %s is not set", varName, name), "set it before starting kvitt"
		if set {
			why, do = fmt.Sprintf("the environment variable %s of %s is empty", varName, name), "give it a value before starting kvitt"
		}
	case envPart.MatchString(v.text):
		why, do = name+" has a ${VARIABLE} within other text", fmt.Sprintf(`let the variable hold all of it: %s = "${%s}"`, name, env)
	case strings.HasPrefix(v.text, "file:"):
		path := strings.TrimPrefix(v.text, "file:")
		data, err := readFile(s.r.path(path))
		if err == nil && path != "" {
			value = strings.TrimSuffix(strings.TrimSuffix(string(data), "\n"), "\r")
			if value != "" {
				return value, false, true
			}
			why, do = fmt.Sprintf("%s is read from %q, which is empty", name, path), "write the secret into that file"
			break
		}
		if path == "" {
			why, do = name+` = "file:" names no file`, fmt.Sprintf(`write %s = "file:secrets/%s"`, name, name)
			break
		}
		why, do = fmt.Sprintf("%s cannot be read from %q: %v", name, path, err), "the path begins at the folder of this file; ~ is not expanded"
	case strings.HasPrefix(v.text, "keyring:"):
		entry := strings.TrimPrefix(v.text, "keyring:")
		if s.r.keyring == nil {
			why, do = name+" is in a keyring, and this build cannot read one", fmt.Sprintf(`write %s = "${%s}" or "file:PATH"`, name, env)
			break
		}
		value, err := s.r.keyring(entry)
		if err == nil && value != "" {
			return value, false, true
		}
		if err == nil {
			err = errors.New("it is empty")
		}
		why, do = fmt.Sprintf("%s cannot be read from the keyring entry %q: %v", name, entry, err), fmt.Sprintf(`keep it there under service "kvitt", user %q, or write %s = "${%s}"`, entry, name, env)
	default:
		return s.literal(v, name, v.text, isSecret, env), true, true
	}
	s.r.fail(v.at, s.key(name), why, do)
	return "", false, false
}

func (s section) literal(v *node, name, value string, isSecret bool, env string) string {
	if isSecret {
		s.r.warn(v.at, s.key(name), fmt.Sprintf(`the secret %s stands in the file as it is: write %s = "${%s}" or "file:PATH"`, name, name, env))
	}
	return value
}

// address returns an http(s) prefix without a trailing slash, or "" when absent or wrong.
func (s section) address(name, env string) string { return s.addressOf(name, false, env) }

// hiddenAddress is address for one that is a secret, and may have a query.
func (s section) hiddenAddress(name, env string) string { return s.addressOf(name, true, env) }

func (s section) addressOf(name string, isSecret bool, env string) string {
	text, _, ok := s.secret(name, isSecret, env)
	if !ok {
		return ""
	}
	v := s.get(name)
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		s.r.fail(v.at, s.key(name), name+" is no address", fmt.Sprintf("write e.g. %s = %q", name, "https://api.example.com"))
		return ""
	case u.User != nil:
		s.r.fail(v.at, s.key(name), name+" holds a user name or password", "take it out of the address and write it in the keys for it")
		return ""
	case !isSecret && (u.RawQuery != "" || u.Fragment != ""):
		s.r.fail(v.at, s.key(name), name+" is the prefix of an address: nothing after ? or # belongs in it", "leave that out")
		return ""
	}
	if u.Scheme == "http" && !isLoopback(u.Hostname()) {
		s.r.warn(v.at, s.key(name), name+" is http: credentials would cross the network in the clear; write https")
	}
	if isSecret {
		return text
	}
	return strings.TrimRight(text, "/")
}

func isLoopback(host string) bool {
	return host == "localhost" || host == "::1" || strings.HasPrefix(host, "127.")
}
