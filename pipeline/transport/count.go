package transport

import (
	"net/http"
	"strconv"
)

// counted tells what became of each try.
type counted struct {
	next  http.RoundTripper
	count func(code string)
}

func (c *counted) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(req)
	if err != nil {
		c.count("error")
		return resp, err
	}
	c.count(strconv.Itoa(resp.StatusCode))
	return resp, nil
}
