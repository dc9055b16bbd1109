package klarna

import "github.com/kvitt/kvitt/extract"

// ahead is how many orders are asked for at once.
const ahead = 8

// A sequence is one run of Extract.
type sequence struct {
	extract.Feed
	client *client
}

// each fetches one document after the other.
func (q *sequence) each(ids []string, fetch func(id string) ([]extract.Blob, error)) {
	for _, id := range extract.Once(ids) {
		if !q.Documents(fetch(id)) {
			return
		}
	}
}
