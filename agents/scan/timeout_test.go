package scan

import (
	"testing"
	"time"
)

func TestTimeoutFollowsAnswers(t *testing.T) {
	const ms = time.Millisecond
	e := estimator{wait: time.Second}
	for n := range 3 {
		if got := e.timeout(n); got != time.Second {
			t.Errorf("without an answer, after %d SYNs: %v", n, got)
		}
	}
	e.measure(200 * ms) // RFC 6298, section 2.2: SRTT 200 ms, RTTVAR 100 ms
	for n, want := range []time.Duration{600 * ms, 1200 * ms, 2400 * ms} {
		if got := e.timeout(n); got != want {
			t.Errorf("after %d SYNs: %v, want %v", n, got, want)
		}
	}
	for range 100 {
		e.measure(20 * ms)
	}
	if got := e.timeout(0); got != leastWait {
		t.Errorf("with short answers: %v, want %v", got, leastWait)
	}
	if got := e.timeout(10); got > mostWait {
		t.Errorf("after many SYNs: %v", got)
	}
}
