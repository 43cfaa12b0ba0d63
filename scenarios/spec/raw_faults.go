package spec

import (
	"reflect"
	"time"

	"testbed/netem"

	"github.com/goccy/go-yaml/ast"
)

// rawFaults is a list of faults.
type rawFaults struct {
	mark
	list []*rawFault
}

func (f *rawFaults) read(d *decoder, key string, n ast.Node) bool {
	before := d.count
	f.set(d.place(n))
	ok := d.bind(key, n, reflect.ValueOf(&f.list).Elem())
	f.partial = d.count > before
	return ok
}

type rawFault struct {
	mark
	Name  *title       `json:"name" doc:"names the fault in reports; default fault-N, by its place in the list"`
	Match *rawPick     `json:"match" doc:"the conditions, all of which must hold; default every packet"`
	Do    *faultAction `json:"do" jsonschema:"required" doc:"drop, delay, duplicate, corrupt or reset"`
	By    *timespan    `json:"by" doc:"how much later a delayed packet, or the copy of a duplicated one, gets on its way"`
	To    *resetSide   `json:"to" doc:"whom a reset answers: sender, receiver or both; default both"`
}

func (*rawFault) noun() string { return "a fault" }

type rawPick struct {
	mark
	Proto   *proto    `json:"proto" doc:"tcp, udp, icmp or icmpv6"`
	Flags   *flags    `json:"flags" doc:"exactly those of SYN, ACK, FIN and RST that are set, joined by hyphens"`
	Sport   *ports    `json:"sport" doc:"the source port, or a range a-b"`
	Dport   *ports    `json:"dport" doc:"the destination port, or a range a-b"`
	Payload *count    `json:"payload" doc:"the bytes of data in a TCP or UDP packet"`
	Nth     *count    `json:"nth" doc:"the number, from 1, of the packet among those that meet the other conditions, or a bound such as 2..4"`
	After   *timespan `json:"after" doc:"from so long on after the first step, or the set that names the faults, began"`
	During  *during   `json:"during" doc:"only in this stretch of time since then, such as 1s..3s"`
}

func (*rawPick) noun() string { return "a match of a fault" }

// The words of faults.
type (
	faultAction struct{ value[netem.FaultAction] }
	resetSide   struct{ value[netem.ResetSide] }
	during      struct{ value[[2]time.Duration] }
)

func (v *faultAction) parse(s scalar) (c *complaint) { v.V, c = pick(s, netem.FaultActions); return c }
func (v *resetSide) parse(s scalar) (c *complaint)   { v.V, c = pick(s, netem.ResetSides); return c }

func (v *during) parse(s scalar) *complaint {
	const valid = "two durations, such as 0s..2s"
	b, c := parseBound(s.text)
	switch {
	case c != nil:
		return c.want(valid)
	case b.Bound != Within || b.Term.Unit != Nanoseconds || b.Upper.Unit != Nanoseconds:
		return bad("%s is no stretch of time", quote(s.text)).want(valid)
	case b.Upper.Value <= b.Term.Value:
		return bad("%s lasts no time", quote(s.text)).want(valid)
	}
	v.V = [2]time.Duration{time.Duration(b.Term.Value), time.Duration(b.Upper.Value)}
	return nil
}
