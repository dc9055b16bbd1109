package woocommerce

import "github.com/kvitt/kvitt/extract"

// ahead is how many things are asked for at once. A shop has no stated limit and a small machine.
const ahead = 6

// A sequence is one run of Extract.
type sequence struct {
	extract.Feed
	client *client
}
