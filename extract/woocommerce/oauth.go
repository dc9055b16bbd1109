package woocommerce

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// sign adds the OAuth 1.0a parameters of a request without a token to its query.
//
// Source: RFC 5849 §3.4; the WooCommerce documentation, "Over HTTP": HMAC-SHA256, with the
// consumer secret and an ampersand as key.
func sign(req *http.Request, key, secret string, at time.Time) {
	q := req.URL.Query()
	var nonce [16]byte
	rand.Read(nonce[:]) // never fails
	q.Set("oauth_consumer_key", key)
	q.Set("oauth_nonce", hex.EncodeToString(nonce[:]))
	q.Set("oauth_signature_method", "HMAC-SHA256")
	q.Set("oauth_timestamp", strconv.FormatInt(at.Unix(), 10))
	q.Set("oauth_signature", signature(req.Method, req.URL, q, secret))
	req.URL.RawQuery = encode(q)
}

// signature returns the signature over method, address and parameters.
func signature(method string, u *url.URL, q url.Values, secret string) string {
	base := strings.ToLower(u.Scheme) + "://" + strings.ToLower(u.Host) + u.EscapedPath()
	text := strings.ToUpper(method) + "&" + escape(base) + "&" + escape(encode(q))
	mac := hmac.New(sha256.New, []byte(secret+"&"))
	mac.Write([]byte(text))
	return base64.StdEncoding.EncodeToString(mac.Sum(nil))
}

// encode writes parameters in the order of their encoded names and values (RFC 5849 §3.4.1.3.2).
func encode(q url.Values) string {
	var pairs []string
	for name, values := range q {
		for _, v := range values {
			pairs = append(pairs, escape(name)+"="+escape(v))
		}
	}
	slices.Sort(pairs)
	return strings.Join(pairs, "&")
}

// escape is percent-encoding of all but unreserved characters (RFC 5849 §3.6).
func escape(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}
