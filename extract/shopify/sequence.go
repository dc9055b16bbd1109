package shopify

import "github.com/kvitt/kvitt/extract"

// ahead is how many orders are asked for at once; the points of the bucket seldom allow more.
const ahead = 4

// A sequence is one run of Extract.
type sequence struct {
	extract.Feed
	client *client
}
