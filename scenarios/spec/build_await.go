package spec

import "fmt"

func (b *builder) await(r *rawAwait) *Await {
	a := &Await{Connection: b.opened("await", r.Await)}
	if r.Timeout != nil {
		a.Timeout = r.Timeout.V
	}
	return a
}

// socket is what a connect step says of the client's socket.
func (b *builder) socket(c *Connect, r *rawConnect) {
	if r.Sport != nil {
		c.Port = r.Sport.V
	}
	b.userTimeout(c, r)
	b.fastOpen(c, r)
	if r.Probes == nil {
		return
	}
	if c.KeepAlive = r.Probes.V; c.KeepAlive && r.As == nil && !r.partial {
		b.add(r.Probes.mark, bad("keepalive: the connection ends with its step").want("as: NAME beside it, which keeps the connection open"))
	}
}

// watched is until when a close step watches.
func (b *builder) watched(c *Close, r *rawClose) {
	if r.Timeout != nil {
		c.Timeout = r.Timeout.V
		if r.Until == nil && !r.partial {
			b.add(r.Timeout.mark, bad("timeout: a close step that watches nothing takes no time").want("until: {client: CLOSED} beside it, or no timeout"))
		}
	}
	if r.Until == nil {
		return
	}
	c.Until = &Until{}
	if r.Until.Client != nil {
		c.Until.Client = r.Until.Client.V
	}
	if r.Until.Server != nil {
		c.Until.Server = r.Until.Server.V
	}
	if *c.Until == (Until{}) && !r.Until.partial {
		b.add(r.Until.mark, bad("until of neither end").want("{client: CLOSED, server: CLOSED}, one or both"))
	}
}

// sendTimes are times in order, or the kernel's schedule as one Term.
func (b *builder) sendTimes(key string, r *sendTimes) (terms []Term) {
	if r == nil {
		return nil
	}
	if r.schedule {
		return []Term{{Value: 1, Unit: KernelSchedule, Text: string(KernelSchedule)}}
	}
	for i, t := range r.list {
		if t.V.Unit.IsTimeout() {
			b.add(t.mark, bad("%s: %s is no time of a segment", key, t.V.Unit).want("times from the first, such as 1s, or the word "+string(KernelSchedule)+" for all"))
			continue
		}
		if i > 0 && t.V.Unit == r.list[i-1].V.Unit && t.V.Value < r.list[i-1].V.Value {
			b.add(t.mark, bad("%s: %s is before %s", key, t.V.Text, r.list[i-1].V.Text).want(fmt.Sprintf("times from the first %s, each after the one before: [0s, 1s, 3s]", sentBy[key])))
		}
		terms = append(terms, t.V)
	}
	return terms
}

// sentBy is the segment whose times a key expects.
var sentBy = map[string]string{"syn_times": "SYN", "syn_ack_times": "SYN-ACK"}
