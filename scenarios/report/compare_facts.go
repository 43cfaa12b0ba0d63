package report

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"testbed/agents"
	"testbed/scenarios/verdict"
)

// facts are what of a step is compared between kernels.
type facts struct {
	ok      bool
	outcome string
	// times are those that were observed, by the key of their expectation.
	times map[string]time.Duration
	// packets counts them by what they are: SYN, SYN-ACK, an ICMP message's name.
	packets map[string]int
	// connects is true of a step that sends a SYN.
	connects bool
}

// packetsKey begins the keys of packets' numbers.
const packetsKey = "packets "

// timeKeys are the times in the order of reports.
var timeKeys = []string{"resolve_time", "connect_time", "accept_time", "tls_time", "first_byte_time", "time_wait", "fin_wait_2", "elapsed"}

func newFacts(s verdict.StepResult) *facts {
	o := s.Observation
	return &facts{
		ok: s.Verdict.OK, outcome: outcomeOf(o), times: timesOf(o), packets: packetsOf(o),
		connects: o.Kind == verdict.Connect || o.Kind == verdict.HTTP,
	}
}

// seriesFacts are what all repetitions of a step made of it: the shares of outcomes,
// and the middle one of each time.
func seriesFacts(s *verdict.Series) *facts {
	f := &facts{ok: s.OK(), outcome: endings(s), times: map[string]time.Duration{}}
	for _, key := range s.Keys {
		if times := s.Times(key); len(times) > 0 {
			f.times[key] = verdict.Percentile(times, 50)
		}
	}
	return f
}

func isKnown(f *facts) bool { return f != nil }

// outcomeOf is how a step ended, in a word or two; empty for a step that can only
// be done.
func outcomeOf(o *verdict.Observation) string {
	words := resultOf(o)
	if len(words) == 0 {
		return ""
	}
	if o.Outcome == agents.Failed && o.Errno != "" {
		return words[0] + " " + inline(o.Errno, maxField)
	}
	return strings.Join(words, "  ")
}

// timesOf are the times that were observed, by key; elapsed always is.
func timesOf(o *verdict.Observation) map[string]time.Duration {
	times := map[string]time.Duration{"elapsed": o.Elapsed}
	for key, d := range map[string]*time.Duration{
		"resolve_time": o.ResolveTime, "connect_time": o.ConnectTime, "accept_time": o.AcceptTime, "tls_time": o.TLSTime, "first_byte_time": o.FirstByteTime,
	} {
		if d != nil {
			times[key] = *d
		}
	}
	if o.TimeWait != nil {
		times["time_wait"] = o.TimeWait.Duration
	}
	if o.FinWait2 != nil {
		times["fin_wait_2"] = o.FinWait2.Duration
	}
	return times
}

// packetsOf counts what was sent.
func packetsOf(o *verdict.Observation) map[string]int {
	n := map[string]int{}
	for i := range o.Journeys {
		p := o.Journeys[i].Packet()
		switch {
		case p == nil:
		case p.TCP != nil:
			n[p.TCP.Flags.String()]++
		case p.ICMP != nil:
			n[icmpName(p)]++
		default:
			n[protocol(p.Proto)]++
		}
	}
	return n
}

// differences are the facts, by key, that are not the same on all kernels on which
// a step is known.
func differences(on []*facts) map[string]bool {
	on = slices.DeleteFunc(slices.Clone(on), func(f *facts) bool { return f == nil })
	differs := map[string]bool{}
	if len(on) < 2 {
		return differs
	}
	for _, f := range on[1:] {
		first := on[0]
		if f.ok != first.ok {
			differs["ok"] = true
		}
		if f.outcome != first.outcome {
			differs["outcome"] = true
		}
		for kind := range union(f.packets, first.packets) {
			if f.packets[kind] != first.packets[kind] {
				differs[packetsKey+kind] = true
			}
		}
	}
	for _, key := range timeKeys {
		if isApart(on, key) {
			differs[key] = true
		}
	}
	return differs
}

// isApart tells whether a time was observed on some kernels only, or lies apart
// beyond the noise.
func isApart(on []*facts, key string) bool {
	var least, most time.Duration
	known := 0
	for _, f := range on {
		d, ok := f.times[key]
		if !ok {
			continue
		}
		if known == 0 {
			least, most = d, d
		}
		least, most = min(least, d), max(most, d)
		known++
	}
	return known > 0 && (known < len(on) || most-least > noise)
}

func union[V any](a, b map[string]V) map[string]bool {
	keys := map[string]bool{}
	for k := range a {
		keys[k] = true
	}
	for k := range b {
		keys[k] = true
	}
	return keys
}

// cell is what is shown of a step: its outcome, the time that matters, the number
// of SYNs, and whatever differs between the kernels.
func (f *facts) cell(differs map[string]bool) cell {
	c := cell{ok: f.ok}
	if f.outcome != "" {
		c.items = append(c.items, item{f.outcome, differs["outcome"]})
	}
	for _, key := range timeKeys {
		if d, known := f.times[key]; known && f.shows(key, differs) {
			c.items = append(c.items, item{timeLabel(key) + short(d), differs[key]})
		}
	}
	for _, kind := range f.kinds(differs) {
		c.items = append(c.items, item{kind + " ×" + strconv.Itoa(f.packets[kind]), differs[packetsKey+kind]})
	}
	return c
}

// shows tells whether a time is in the table. A step's whole time differs with
// every part of it, and is shown where it is all that differs.
func (f *facts) shows(key string, differs map[string]bool) bool {
	if key == f.mainTime() {
		return true
	}
	return differs[key] && (key != "elapsed" || !differs[f.mainTime()])
}

// kinds are the packets that are shown, SYN and SYN-ACK first.
func (f *facts) kinds(differs map[string]bool) (kinds []string) {
	if f.connects {
		kinds = append(kinds, "SYN")
	}
	for key := range differs {
		if kind, ok := strings.CutPrefix(key, packetsKey); ok && !slices.Contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
	}
	slices.SortFunc(kinds, func(a, b string) int { return cmp.Or(rank(a)-rank(b), strings.Compare(a, b)) })
	return kinds
}

// rank puts SYN and SYN-ACK first.
func rank(kind string) int {
	switch kind {
	case "SYN":
		return 0
	case "SYN-ACK":
		return 1
	}
	return 2
}

// mainTime is the key of the time that says most of a step.
func (f *facts) mainTime() string {
	for _, key := range []string{"first_byte_time", "time_wait", "fin_wait_2", "connect_time"} {
		if _, ok := f.times[key]; ok {
			return key
		}
	}
	return "elapsed"
}

// timeLabel names a time in a table; a connection's own and a step's whole time go
// without saying.
func timeLabel(key string) string {
	switch key {
	case "connect_time", "elapsed":
		return ""
	case "first_byte_time":
		return "first byte "
	case "accept_time":
		return "accepted "
	case "tls_time":
		return "TLS "
	case "time_wait":
		return "TIME-WAIT "
	}
	return "FIN-WAIT-2 "
}
