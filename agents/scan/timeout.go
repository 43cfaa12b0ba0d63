package scan

import "time"

// estimator is how long an answer is waited for, from the round-trip times of
// those that came (RFC 6298, section 2).
type estimator struct {
	// wait is used until the first answer.
	wait           time.Duration
	srtt, variance time.Duration
}

// What is waited at least and at most. The least is nmap's; RFC 6298's second is
// for segments whose loss costs more than another probe.
const (
	leastWait = 100 * time.Millisecond
	mostWait  = 10 * time.Second
)

func (e *estimator) measure(rtt time.Duration) {
	if e.srtt == 0 {
		e.srtt, e.variance = rtt, rtt/2
		return
	}
	e.variance += ((e.srtt - rtt).Abs() - e.variance) / 4
	e.srtt += (rtt - e.srtt) / 8
}

// timeout is how long the answer to a SYN is waited for that has been sent so
// often before: twice as long each time, once it is known how long answers take.
func (e *estimator) timeout(before int) time.Duration {
	if e.srtt == 0 {
		return e.wait
	}
	return min(max(e.srtt+4*e.variance, leastWait)<<min(before, 6), mostWait)
}

// waiting is a heap of probes by when they expire, those of one moment by place.
type waiting []*probe

func (w waiting) Len() int { return len(w) }
func (w waiting) Less(i, j int) bool {
	if w[i].expires != w[j].expires {
		return w[i].expires < w[j].expires
	}
	return w[i].place < w[j].place
}
func (w waiting) Swap(i, j int) { w[i], w[j] = w[j], w[i] }

// Push is heap.Interface's.
func (w *waiting) Push(x any) { *w = append(*w, x.(*probe)) }

// Pop is heap.Interface's.
func (w *waiting) Pop() any {
	old := *w
	x := old[len(old)-1]
	*w = old[:len(old)-1]
	return x
}
