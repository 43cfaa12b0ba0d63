package spec

import (
	"slices"

	"testbed/agents"
)

// whole are the expectations about all repetitions of a step together. times is how
// often the step itself is repeated, and kind its action.
func (b *builder) whole(e *Expect, r *rawExpect, kind string, times int) {
	if r == nil || e == nil {
		return
	}
	e.Outcomes = b.outcomes(r, kind)
	for _, s := range []struct {
		key  string
		raw  *rawTimes
		into *[]TimeOfAll
	}{{"p50", r.P50, &e.P50}, {"p95", r.P95, &e.P95}, {"max", r.Max, &e.Max}} {
		if s.raw == nil {
			continue
		}
		*s.into = b.timesOfAll(s.key, s.raw)
		b.repeated(s.key, s.raw.mark, times)
		if kind == "exec" {
			b.absoluteTime(s.key, s.raw.Elapsed)
		}
	}
	if r.Outcomes.line != 0 {
		b.repeated("outcomes", r.Outcomes.mark, times)
	}
	for i, k := range r.Kernels.list {
		if i < len(e.Kernels) {
			b.whole(&e.Kernels[i].Expect, k.value, kind, times)
		}
	}
}

// repeated notes an expectation about several repetitions where there is one.
func (b *builder) repeated(key string, at mark, times int) {
	if b.sc.Repeat < 2 && times < 2 {
		b.add(at, bad("%s: it is about repetitions, and there is one", key).want("repeat: 30 in the step, or at the top"))
	}
}

// outcomes are the expected shares, in the order of the file.
func (b *builder) outcomes(r *rawExpect, kind string) (shares []OutcomeShare) {
	if r.Outcomes.line == 0 {
		return nil
	}
	if len(r.Outcomes.list) == 0 && !r.Outcomes.partial {
		b.add(r.Outcomes.mark, bad("outcomes: nothing is expected").want("{connected: \">= 95%\"}"))
	}
	if r.Outcome != nil {
		b.add(r.Outcome.mark, bad("outcome beside outcomes: it is that of each repetition").want("one of them"))
	}
	valid := outcomesOf(kind)
	for _, x := range r.Outcomes.list {
		o := agents.Outcome(x.key)
		if !slices.Contains(valid, o) {
			b.add(x.at, bad("outcomes: %s step cannot end %s", article(kind), quote(x.key)).want(join(valid)).near(nearest(x.key, valid)))
		} else if x.value != nil {
			shares = append(shares, OutcomeShare{o, x.value.V})
		}
	}
	return shares
}

// timesOfAll are the expected times, in a fixed order.
func (b *builder) timesOfAll(key string, r *rawTimes) (list []TimeOfAll) {
	for _, x := range []struct {
		key string
		v   *bound
	}{{"connect_time", r.ConnectTime}, {"accept_time", r.AcceptTime}, {"tls_time", r.TLSTime}, {"first_byte_time", r.FirstByteTime}, {"elapsed", r.Elapsed}} {
		if x.v == nil {
			continue
		}
		for _, t := range []Term{x.v.V.Term, x.v.V.Upper} {
			if t.Unit.IsTimeout() {
				b.add(x.v.mark, bad("%s: %s is a timeout of one repetition", key, t.Unit).want("a duration such as 300ms or 1 rtt, or a bound"))
			}
		}
		list = append(list, TimeOfAll{x.key, x.v.V})
	}
	if len(list) == 0 && !r.partial {
		b.add(r.mark, bad("%s: nothing is expected", key).want("{elapsed: \"<= 1s\"}"))
	}
	return list
}
