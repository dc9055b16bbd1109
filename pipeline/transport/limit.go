package transport

import (
	"context"
	"net/http"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit lets requests through no faster than a provider allows: than it documents, and, where it
// documents nothing, than it turns out to allow.
//
// A 429 that says when to come back is obeyed by all requests and not only by the one it was given to.
// When what was under way with it is refused too, or many answers are 429 for long, what was let through
// until then tells the rate, and requests are spread evenly over time from there on: a provider that
// counts is not run into again. One 429 alone teaches nothing, since a provider may give one for other reasons.
type Limit struct {
	next    http.RoundTripper
	limiter *rate.Limiter
	most    rate.Limit // what is documented
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error

	mu      sync.Mutex
	gate    time.Time   // nothing goes before it
	let     []time.Time // when tries were let through, since the rate was learnt, oldest first
	refused int         // tries that were not, since then
	first   time.Time   // when a refusal came that no earlier one announced
	asked   time.Time   // when the request was sent that it answered
	since   int         // tries that were let through since then
	pace    float64     // how many a second were before it, since the one before; 0 is not known
	proof   float64     // how sure it is that the provider counts, as the logarithm of odds
	learnt  time.Time   // when the rate was, the last time; zero is never
	base    rate.Limit  // what was learnt: it may be tried a little higher
	raise   time.Time   // when
}

const (
	enough = 10 // let through before a rate is taken from it

	// A request that was under way when another was refused is refused too by a provider that counts, four times
	// in five at least, and once in twenty by one that refuses for no reason. As many are let through between two
	// refusals as between the two before, within 15 %, four times in five and (as for any two waits for
	// something that happens by chance) 7.5 times in a hundred. Sure is odds of 3 000 to 1.
	refusedToo, letAlone = 2.8, -1.6 // ln(0.8/0.05), ln(0.2/0.95)
	alike, unlike        = 2.4, -1.5 // ln(0.8/0.075), ln(0.2/0.925)
	sure, unlikely       = 8.0, -3.0

	remember = 4096 // tries that a rate is taken from, at most

	unsaid   = time.Second      // how long to stay away when a provider that refuses does not say
	longGate = time.Minute      // a Retry-After beyond it is not for everybody: the one who was told it gives up or waits
	firstUp  = time.Minute      // after a rate was learnt, it is tried a little higher
	nextUp   = 2 * time.Second  // and higher again
	step     = 1.02             // by this
	firmFor  = 10 * time.Minute // after a 429 at a rate, it is not tried again
)

// NewLimit returns a Limit of one request per every, evenly; 0 is what the provider turns out to allow.
func NewLimit(next http.RoundTripper, every time.Duration, now func() time.Time, sleep func(context.Context, time.Duration) error) *Limit {
	most := rate.Inf
	if every > 0 {
		most = rate.Every(every)
	}
	return &Limit{next: next, limiter: rate.NewLimiter(most, 1), most: most, now: now, sleep: sleep}
}

// RoundTrip waits for its turn, then makes the request.
//
// Errors: those of next; the context's, when it ends before the turn has come.
func (l *Limit) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := l.turn(req.Context()); err != nil {
		closeBody(req)
		return nil, err
	}
	sent := l.now()
	resp, err := l.next.RoundTrip(req)
	l.look(resp, sent)
	return resp, err
}

// turn waits until a request may go. Those who waited at the gate do not go through it at once: each still
// takes its place in the rate, and looks whether the gate was closed again meanwhile.
func (l *Limit) turn(ctx context.Context) error {
	for range 4 {
		if err := l.limiter.Wait(ctx); err != nil {
			return err
		}
		l.mu.Lock()
		wait := l.gate.Sub(l.now())
		l.mu.Unlock()
		if wait <= 0 {
			return nil
		}
		if err := l.sleep(ctx, wait); err != nil {
			return err
		}
	}
	return nil
}

// look learns from an answer to a request that was sent then; nil is an answer that did not arrive.
func (l *Limit) look(resp *http.Response, sent time.Time) {
	now := l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	if sent.Before(l.learnt) {
		return // it went before the rate was learnt
	}
	refused := resp != nil && resp.StatusCode == http.StatusTooManyRequests
	switch {
	case sent.Before(l.asked): // and was perhaps let through before the other was refused
	case sent.Before(l.first) && refused:
		l.proof += refusedToo
	case sent.Before(l.first):
		l.proof = max(l.proof+letAlone, unlikely)
	case refused:
		l.compare(now)
		l.asked = sent
	}
	if !refused {
		if len(l.let) == remember {
			l.let, l.refused = append(l.let[:0], l.let[remember/2:]...), l.refused/2
		}
		l.let = append(l.let, now)
		l.since++
		if !l.learnt.IsZero() && now.After(l.raise) {
			l.limiter.SetLimit(min(l.limiter.Limit()*step, l.most))
			l.raise = now.Add(nextUp)
		}
		return
	}
	said, ok := retryAfter(resp.Header.Get("Retry-After"), now)
	if ok && said <= longGate && now.Add(said).After(l.gate) {
		l.gate = now.Add(said)
	}
	if !ok {
		said = unsaid
	}
	l.refused++
	many := l.refused >= 3*enough && l.refused*12 > len(l.let)+l.refused
	switch {
	case (l.proof >= sure || many) && len(l.let) >= enough:
		l.learn(now, said)
	case l.limiter.Limit() > l.base && !l.learnt.IsZero():
		l.limiter.SetLimit(max(l.base, l.limiter.Limit()/(step*step)))
		l.raise = now.Add(firmFor)
	}
}

// compare begins a time between two refusals, and holds the one that ended against the one before it. Times
// in which hardly anything was asked say nothing, nor do those in which the pace was ours.
func (l *Limit) compare(now time.Time) {
	if took := now.Sub(l.first).Seconds(); !l.first.IsZero() && l.since >= enough && took > 0 {
		pace := float64(l.since) / took
		switch {
		case l.pace == 0, pace > float64(l.limiter.Limit())*0.7:
		case pace > l.pace*0.85 && pace < l.pace*1.15:
			l.proof += alike
		default:
			l.proof = max(l.proof+unlike, unlikely)
		}
		l.pace = pace
	}
	l.first, l.since = now, 0
}

// learn takes the rate from what was let through before everything was refused, for now and for as long as is said.
func (l *Limit) learn(now time.Time, said time.Duration) {
	// A provider that counts in a window lets through what fits into the window, which ends when it is said to. One
	// that fills a bucket lets through a bucketful and what ran into it meanwhile. The busiest time until now is
	// the one that either has refused: the time before it was not used up. Since the last refusal all of it was.
	var best rate.Limit
	for i, at := range l.let {
		took := now.Sub(at) + said
		if i == 0 && !l.learnt.IsZero() {
			took = now.Sub(l.learnt)
		}
		if took > 0 {
			best = max(best, rate.Limit(float64(len(l.let)-i)/took.Seconds()))
		}
	}
	best *= 0.995
	if !l.learnt.IsZero() {
		best = min(best, l.limiter.Limit()*0.95)
	}
	best = min(best, l.most)
	l.limiter.SetLimit(best)
	l.base = best
	l.gate = later(l.gate, now.Add(min(said, longGate)))
	l.learnt, l.raise = now, now.Add(firstUp)
	l.let, l.refused, l.proof, l.pace = nil, 0, 0, 0
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// UserAgent says who asks, on every request that does not say so itself.
type UserAgent struct {
	Next  http.RoundTripper
	Agent string // e.g. "kvitt/1.0"
}

// RoundTrip sets the header on a copy: a round tripper must leave the request as it was.
func (u *UserAgent) RoundTrip(req *http.Request) (*http.Response, error) {
	if req.Header.Get("User-Agent") == "" {
		req = req.Clone(req.Context())
		req.Header.Set("User-Agent", u.Agent)
	}
	return u.Next.RoundTrip(req)
}

// closeBody closes a request's body where a round tripper returns without having passed it on.
func closeBody(req *http.Request) {
	if req.Body != nil {
		req.Body.Close()
	}
}
