package transport

import (
	"context"
	"math"
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
// counts is not run into again. Of what two refusals tell, a guess is made; it is given up when it does not keep
// refusals away. One 429 alone teaches nothing, since a provider may give one for other reasons.
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
	before  int         // and between the two refusals before
	pace    float64     // how many a second were before it, since the one before; 0 is not known
	run     float64     // how many they were, when the pace was ours; 0 is not known
	proof   float64     // how sure it is that the provider counts, as the logarithm of odds
	learnt  time.Time   // when the rate was, the last time; zero is never
	base    rate.Limit  // what was learnt: it may be tried a little higher
	raise   time.Time   // when
	back    float64     // steps that were taken back from it at the last 429

	longest time.Duration // that was said to stay away for since then
	guess   guess
	climb   climb
}

// A guess is a rate that is kept to before it is proved. A provider that counts has let through what it
// allows between two refusals, and refuses nothing that is spread evenly at that rate; one that
// refuses for no reason does so at any rate, and shows by it that the guess is wrong. So little is lost by it,
// and most providers need not refuse more than two.
type guess struct {
	from    time.Time // the refusal that its figure begins at; zero is none
	let     int       // through since then
	active  time.Time // when the last answer came
	wants   bool      // the last answer was a refusal: what asks is not idle, it waits
	on      bool      // the rate is kept to
	of      int       // what it was taken from
	steps   int       // that were taken back from what was tried beyond it; after three it is doubted
	skip    int       // refusals to let pass before another guess
	skipped int       // how many the last wrong guess cost
}

// A climb seeks what a rate that was just taken leaves unused. Where a provider says in whole seconds when to come
// back, its window was over sooner; and where its bucket holds less than the wait fills, the rest ran over.
type climb struct {
	on      bool
	window  time.Duration // the longest that was said to stay away for
	burst   int           // what was let through at once before the rate was taken
	drained time.Duration // in
}

const (
	enough = 10 // let through before a rate is taken from it
	tells  = 20 // let through between two refusals before a rate is guessed: one more or less is 5 %

	// A request that was under way when another was refused is refused too by a provider that counts, four times
	// in five at least, and once in twenty by one that refuses for no reason. As many are let through between two
	// refusals as between the two before, within 15 %, four times in five and (as for any two waits for
	// something that happens by chance) 7.5 times in a hundred. Sure is odds of 20 000 to 1: it is asked at every refusal.
	refusedToo, letAlone = 2.8, -1.6 // ln(0.8/0.05), ln(0.2/0.95)
	alike, unlike        = 2.4, -1.5 // ln(0.8/0.075), ln(0.2/0.925)
	same, another        = 3.5, -1.6 // ln(0.8/0.025), ln(0.2/0.975): within 5 %
	sure, unlikely       = 10.0, -3.0

	remember = 4096 // tries that a rate is taken from, at most

	unsaid   = time.Second // how long to stay away when a provider that refuses does not say
	longGate = time.Minute // a Retry-After beyond it is not for everybody: the one who was told it gives up or waits
	ascent   = 1.05        // what a climb goes up by
	rests    = 4           // this many of the time that a provider says to stay away for

	firstUp = time.Minute      // after a rate was learnt, it is tried a little higher,
	settled = 3 * time.Minute  // or after it was climbed to,
	nextUp  = 2 * time.Second  // and higher again
	step    = 1.02             // by this
	firmFor = 10 * time.Minute // after a 429 at a rate, it is not tried again
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
	news := refused && !sent.Before(l.first) && !sent.Before(l.asked) // no earlier refusal announced it
	l.guess.saw(now, sent, l.gate, refused)
	switch {
	case sent.Before(l.asked): // and was perhaps let through before the other was refused
	case sent.Before(l.first) && refused:
		l.proof += refusedToo
	case sent.Before(l.first):
		l.proof = max(l.proof+letAlone, unlikely)
	case news:
		l.compare(now)
		l.asked = sent
	}
	if !refused {
		if len(l.let) == remember {
			l.let, l.refused = append(l.let[:0], l.let[remember/2:]...), l.refused/2
		}
		l.let = append(l.let, now)
		l.since++
		switch {
		case l.learnt.IsZero() || !now.After(l.raise):
		case l.climb.on:
			l.limiter.SetLimit(min(l.limiter.Limit()*ascent, l.most))
			l.raise = now.Add(l.climb.pause())
		default:
			l.limiter.SetLimit(min(l.limiter.Limit()*step, l.most))
			l.raise, l.back = now.Add(nextUp), 0
		}
		return
	}
	said, ok := retryAfter(resp.Header.Get("Retry-After"), now)
	if ok && said <= longGate {
		l.gate = later(l.gate, now.Add(said))
	}
	if ok {
		l.longest = max(l.longest, min(said, longGate))
	} else {
		said = unsaid
	}
	l.refused++
	many := l.refused >= 3*enough && l.refused*12 > len(l.let)+l.refused
	switch {
	case (l.proof >= sure || many) && len(l.let) >= enough:
		l.learn(now, said)
	case l.climb.on && l.limiter.Limit() > l.base:
		l.settle(now)
	case l.limiter.Limit() > l.base && !l.learnt.IsZero() && !(l.guess.on && l.guess.steps >= 3):
		l.guess.steps++
		// The step before held for as long as a step takes. Where it did not, since a bucket takes long to be
		// empty, the rate is sought twice as far down each time, but not below what was let through.
		l.back = min(max(2*l.back, 1), 64)
		high := l.limiter.Limit()
		l.limiter.SetLimit(max(l.base, min(high/step, max(rate.Limit(l.pace), high/rate.Limit(math.Pow(step, l.back))))))
		l.raise = now.Add(firmFor)
	case news && l.guess.on:
		l.doubt(now)
	case news && l.learnt.IsZero():
		l.try(now, said)
	}
}

// saw notes an answer. Where nobody asked for a while, what was let through is not what is allowed.
func (g *guess) saw(now, sent, gate time.Time, refused bool) {
	if !g.wants && sent.Sub(later(g.active, gate)) > unsaid {
		g.from = time.Time{}
	}
	if !refused {
		g.let++
	}
	g.active, g.wants = now, refused
}

// try takes a rate from what was let through between two refusals, and keeps to it. No provider that counts allows
// less. More it allows where its bucket ran over or its window was over before it was asked again, which a climb finds.
func (l *Limit) try(now time.Time, said time.Duration) {
	g := &l.guess
	switch took := now.Sub(g.from).Seconds(); {
	case g.skip > 0:
		g.skip--
		g.from, g.let = now, 0
	case g.from.IsZero():
		g.from, g.let = now, 0
	case g.let >= tells && took > 0:
		last := l.let[max(0, len(l.let)-l.before):]
		_, burst, drained := busiest(last, now, said)
		if burst == 0 && len(last) > 0 {
			burst, drained = len(last), now.Sub(last[0])
		}
		l.keep(now, min(rate.Limit(float64(g.let)/took*0.99), l.most))
		l.gate = later(l.gate, now.Add(min(said, longGate)))
		l.ascend(now, said, burst, drained)
		g.on, g.of, g.let, g.steps = true, g.let, 0, 0
	}
}

// doubt looks at a guess that something was refused at. Soon after it was made, it was none of a provider that
// counts. Late, it was a little too high.
func (l *Limit) doubt(now time.Time) {
	g := &l.guess
	if g.let >= 3*g.of {
		l.keep(now, l.limiter.Limit()*0.97)
		g.let, g.steps = 0, 0
		return
	}
	g.skipped = max(2*g.skipped, 2)
	g.on, g.skip, g.from, g.let = false, g.skipped, now, 0
	l.limiter.SetLimit(l.most)
	l.base, l.learnt, l.climb = 0, time.Time{}, climb{}
}

// keep spreads requests at a rate from now on.
func (l *Limit) keep(now time.Time, r rate.Limit) {
	l.limiter.SetLimit(r)
	l.base = r
	l.learnt, l.raise = now, now.Add(firstUp)
	l.let, l.refused, l.climb = nil, 0, climb{}
}

// ascend begins a climb from a rate that is kept to from now on. A provider that does not say when to come back was asked
// all the time: nothing ran over, and there is nothing to climb to.
func (l *Limit) ascend(now time.Time, said time.Duration, burst int, drained time.Duration) {
	if l.longest == 0 {
		return
	}
	l.climb = climb{true, max(l.longest, unsaid), burst, drained}
	l.raise, l.longest = now.Add(said+l.climb.pause()), 0
}

// pause is how long to stay at a rate in a climb.
func (c *climb) pause() time.Duration { return c.window / rests }

// settle ends a climb that was refused.
//
// A bucket is empty now. It was as full at the foot, or wherever it was full last, as before the burst that the
// rate was taken from; what else was let through since ran into it on the way. Where that is less than
// what was let through at the foot, it is no bucket but a window, and full.
func (l *Limit) settle(now time.Time) {
	base, best := l.base, rate.Limit(0)
	for i, at := range l.let {
		n := len(l.let) - i - l.climb.burst
		if n < enough {
			break
		}
		if took := now.Sub(at) - l.climb.drained; took >= l.climb.window { // in less one more or less is too much
			best = max(best, rate.Limit(float64(n)/took.Seconds()))
		}
	}
	switch {
	case best < base*0.8:
		n := 0
		full := l.climb.window + l.climb.window/200 // answers come a little earlier or later
		for n < len(l.let) && now.Sub(l.let[len(l.let)-1-n]) < full {
			n++
		}
		best = rate.Limit(float64(n) / l.climb.window.Seconds() * 0.98)
	default:
		best *= 0.97
	}
	l.keep(now, max(base, min(best, l.limiter.Limit()/step)))
	l.base, l.raise = base, now.Add(settled)
}

// compare begins a time between two refusals, and holds the one that ended against the one before it. Times
// in which hardly anything was asked say nothing. Where the pace was ours it is always the same: a rate that is
// a little too high shows by being refused after the same number each time.
func (l *Limit) compare(now time.Time) {
	if took := now.Sub(l.first).Seconds(); !l.first.IsZero() && l.since >= enough && took > 0 {
		run, pace := float64(l.since), float64(l.since)/took
		switch {
		case pace > float64(l.limiter.Limit())*0.7:
			l.weigh(run, l.run, 0.05, same, another)
		case l.run > 0:
			run = 0
		default:
			l.weigh(pace, l.pace, 0.15, alike, unlike)
			run = 0
		}
		l.run, l.pace = run, pace
	}
	l.first, l.since, l.before = now, 0, l.since
}

// weigh adds what it proves that a figure is within so much of the one before, or that it is not.
func (l *Limit) weigh(is, was, within, like, unlike float64) {
	switch {
	case was == 0:
	case is > was*(1-within) && is < was*(1+within):
		l.proof += like
	default:
		l.proof = max(l.proof+unlike, unlikely)
	}
}

// learn takes the rate from what was let through before everything was refused, for now and for as long as is said.
func (l *Limit) learn(now time.Time, said time.Duration) {
	best, burst, drained := busiest(l.let, now, said)
	if !l.learnt.IsZero() { // since then all was used up
		if took := now.Sub(l.learnt).Seconds(); took > 0 {
			best = max(best, rate.Limit(float64(len(l.let))/took))
		}
		best = min(best, l.limiter.Limit()*0.95/0.995)
	}
	best *= 0.995
	l.gate = later(l.gate, now.Add(min(said, longGate)))
	l.keep(now, min(best, l.most))
	if l.run > 0 {
		l.raise = now.Add(firmFor) // what was let through at a pace of ours tells it well
	} else {
		l.ascend(now, said, burst, drained)
	}
	l.proof, l.pace, l.run = 0, 0, 0
	l.guess = guess{}
}

// busiest is the rate of the busiest time until now, in which tries were let through at these times, when the next may go
// after so long; with how many they were and how long it took.
//
// A provider that counts in a window lets through what fits into the window, which ends when it is said to. One
// that fills a bucket lets through a bucketful and what ran into it meanwhile. The busiest time until now is
// the one that either has refused: the time before it was not used up.
func busiest(let []time.Time, now time.Time, said time.Duration) (best rate.Limit, n int, took time.Duration) {
	for i, at := range let {
		if len(let)-i < enough {
			break // two at once are no rate, however soon more may come
		}
		all := (now.Sub(at) + said).Seconds()
		if r := rate.Limit(float64(len(let)-i) / all); all > 0 && r > best {
			best, n, took = r, len(let)-i, now.Sub(at)
		}
	}
	return best, n, took
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
