package mollie

import "github.com/kvitt/kvitt/extract"

// ahead is how many documents are asked for at once.
const ahead = 8

// A sequence is one run of Extract.
type sequence struct {
	extract.Feed
	client *client
}
