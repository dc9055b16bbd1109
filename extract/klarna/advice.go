package klarna

import (
	"fmt"
	"strings"
)

// whereKeysAre says where a merchant finds the two keys.
const whereKeysAre = "username and password are made in the Klarna merchant portal → Settings → API credentials"

// wrongKey advises on a 401. Only the documented prefix of the password is looked at,
// and none of it is shown.
func (c *client) wrongKey() string {
	host := c.base.Host
	playground := strings.Contains(host, "playground")
	var which string
	switch {
	case strings.HasPrefix(c.password, "klarna_live_api_") && playground:
		which = fmt.Sprintf("the password is a live one, but base_url is the playground (%s)", host)
	case strings.HasPrefix(c.password, "klarna_test_api_") && !playground:
		which = fmt.Sprintf("the password is a playground one, but base_url is %s; the playground is https://api.playground.klarna.com", host)
	case strings.HasPrefix(c.password, "kco_") && strings.HasSuffix(c.base.Hostname(), "klarna.com"):
		which = fmt.Sprintf("the password looks like Kustom's, whose base_url is https://api.kustom.co, but %s was asked", host)
	case playground:
		which = host + " takes playground keys only"
	default:
		which = host + " was asked; live keys work at https://api.klarna.com, playground keys at https://api.playground.klarna.com, Kustom's at https://api.kustom.co"
	}
	return whereKeysAre + "; " + which
}

// weakKey advises on a 403.
func (c *client) weakKey() string {
	return fmt.Sprintf("%s knows the key but does not let it read this: in the Klarna merchant portal → Settings → API credentials, "+
		"let it read settlements and orders, or take the username and password of the merchant ID that owns them", c.base.Host)
}

// wrongBase advises when something else than Klarna's API seems to answer.
func (c *client) wrongBase() string {
	return fmt.Sprintf("check base_url, which is all that stands before /settlements/v1 and /ordermanagement/v1: %s was asked", c.base.Redacted())
}
