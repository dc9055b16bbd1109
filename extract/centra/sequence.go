package centra

import (
	"context"
	"slices"

	"github.com/kvitt/kvitt/extract"
)

// ahead is how many requests are under way at once.
const ahead = 6

// A job fetches what one key stands for.
type job func(ctx context.Context) ([]extract.Blob, error)

// jobs makes a job of each ID, once.
func jobs(ids []string, fetch func(ctx context.Context, id string) ([]extract.Blob, error)) []job {
	var out []job
	for _, id := range extract.Once(ids) {
		out = append(out, func(ctx context.Context) ([]extract.Blob, error) { return fetch(ctx, id) })
	}
	return out
}

// A sequence is one run of Extract.
type sequence struct {
	extract.Feed
	client *client
}

// eachAhead does up to ahead jobs at once and yields what they fetch in the order of work.
// When it returns, nothing is being fetched any more.
func (q *sequence) eachAhead(ctx context.Context, work []job) {
	extract.Ahead(ctx, ahead, slices.Values(work), func(ctx context.Context, j job) ([]extract.Blob, error) { return j(ctx) }, q.Documents)
}
