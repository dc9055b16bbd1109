package svea

import "github.com/kvitt/kvitt/extract"

// ahead is how many documents are asked for at once.
const ahead = 8

// A sequence is one run of Extract.
type sequence struct {
	extract.Feed
	client *client
}

// document yields one document, or why it could not be had, and reports whether to go on.
func (q *sequence) document(b extract.Blob, err error) bool {
	return q.Documents([]extract.Blob{b}, err)
}
