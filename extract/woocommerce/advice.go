package woocommerce

import (
	"fmt"
	"net/http"
	"net/url"
)

// whereKeysAre says where a merchant finds the two keys.
const whereKeysAre = "consumer_key and consumer_secret are made in WordPress → WooCommerce → Settings → Advanced → REST API; Read is enough"

// wrongKey advises on a 401.
func (c *client) wrongKey(r refusal) string {
	if r.Code == "woocommerce_rest_cannot_view" {
		return whereKeysAre + `; if they are right, the shop's host drops the Authorization header: set auth = "query"`
	}
	return whereKeysAre + "; " + c.base.Host + " was asked"
}

// weakKey advises on a 403.
func (c *client) weakKey(documented bool) string {
	if !documented {
		return "something before WordPress refused (a firewall or security plugin?): let it pass requests to " + c.base.Redacted() + "/wp-json/wc/v3"
	}
	return "the key belongs to a user who may not read orders: make one for a shop manager or administrator; " + whereKeysAre
}

// wrongBase advises when something else than WordPress seems to answer.
func (c *client) wrongBase() string {
	return fmt.Sprintf("check base_url, the address of the WordPress site, which is all that stands before /wp-json/wc/v3: %s was asked", c.base.Redacted())
}

// noRoute advises when WordPress is there and WooCommerce is not.
func (c *client) noRoute() string {
	return "WordPress answers and has no WooCommerce API: is the plugin active, and is " + c.base.Redacted() + " the right site?"
}

// moved advises on a redirect.
func (c *client) moved(resp *http.Response) string {
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Host == "" || to.Host == c.base.Host && to.Scheme == c.base.Scheme {
		return c.wrongBase()
	}
	return fmt.Sprintf("%s sends to %s://%s; if that is the shop, write it as base_url", c.base.Host, to.Scheme, to.Host)
}

// notJSON advises when PHP, a plugin or a login page stands where JSON is due.
func (c *client) notJSON(body []byte) string {
	if hasJSON(body) {
		return "a plugin or theme of the shop writes into the answers: turn WP_DEBUG_DISPLAY off in wp-config.php, and look in the PHP log for who it is"
	}
	return c.wrongBase()
}
