package qliro

import (
	"errors"
	"fmt"
	"strings"

	"github.com/kvitt/kvitt/extract"
)

// whereKeysAre says where a merchant finds the two keys.
const whereKeysAre = "api_key and api_secret are the Merchant API key and secret that Qliro's onboarding sends, one pair per environment"

// advise tells of another server where err says that what came is malformed.
func (c *client) advise(err error) error {
	if _, has := extract.Advice(err); err == nil || has || !errors.Is(err, extract.ErrMalformed) {
		return err
	}
	return extract.Advise(err, c.wrongBase())
}

// wrongKey advises on a 401.
func (c *client) wrongKey() string {
	which := "the live secret works at https://payments.qit.nu, the test secret at https://pago.qit.nu"
	if strings.Contains(c.base.Host, "pago.") {
		which = c.base.Host + " is the test environment and takes its own secret only"
	}
	return whereKeysAre + "; " + c.base.Host + " was asked; " + which
}

// weakKey advises on a 403.
func (c *client) weakKey() string {
	return c.base.Host + " knows the secret but does not let it read this: ask Qliro to open the Admin API's orders and settlements to it"
}

// wrongBase advises when something else than Qliro's API seems to answer.
func (c *client) wrongBase() string {
	return fmt.Sprintf("check base_url, which is all that stands before %s: %s was asked", adminAPI, c.base.Redacted())
}
