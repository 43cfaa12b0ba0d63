package verdict

import (
	"fmt"
	"time"

	"testbed/observe"
	"testbed/topo"
)

// Reset is the RST that ended a connection, or an attempt, and who sent it.
type Reset struct {
	*observe.Journey
	// TTL is the hop limit with which it arrived, Hops how many routers that says it
	// crossed: senders begin with 64, 128 or 255.
	TTL  uint8
	Hops int
}

// ResetOf finds the RST that ended a step's connection: the first that arrived. In
// a step that closes it may be the client's, else it is one that the client
// received, perhaps before the step. It is nil if there was none.
func ResetOf(o *Observation) *Reset {
	var first *observe.Journey
	var at time.Time
	for _, journeys := range [][]observe.Journey{o.Earlier, o.Journeys} {
		for i := range journeys {
			j := &journeys[i]
			p, last := j.Packet(), j.Last()
			if p.TCP == nil || p.TCP.Flags&topo.RST == 0 || !j.Fate.Delivered || !j.Left() || o.Kind != Close && j.Sender == o.From {
				continue
			}
			if first == nil || last.Time.Before(at) {
				first, at = j, last.Time
			}
		}
	}
	if first == nil {
		return nil
	}
	r := &Reset{Journey: first, TTL: first.Last().Packet.TTL}
	for _, begins := range []int{64, 128, 255} {
		if r.Hops = begins - int(r.TTL); r.Hops >= 0 {
			break
		}
	}
	return r
}

// resetBy compares who sent the RST that ended the connection.
func (j *judge) resetBy(node string, link *[2]string) Check {
	c := Check{Key: "reset_by", Expected: node}
	if link != nil {
		c.Expected = link[0] + " – " + link[1]
	}
	r := ResetOf(j.o)
	if r == nil {
		c.Observed, c.Note = "nobody", j.withUnseen(j.ended("no RST arrived"))
		return c
	}
	c.Observed = senderOf(r.Journey)
	c.OK = node != "" && node == r.Sender || link != nil && r.Made != nil && joins(*link, r.Made.Link)
	c.Note = fmt.Sprintf("it arrived with a TTL of %d, after %s", r.TTL, plural(r.Hops, "router"))
	if !c.OK {
		c.Note = j.withUnseen(fmt.Sprintf("expected %s, observed %s: %s", c.Expected, c.Observed, c.Note))
	}
	return c
}
