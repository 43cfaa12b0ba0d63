package spec

import (
	"reflect"
	"slices"
	"strings"

	"testbed/observe"

	"github.com/goccy/go-yaml/ast"
)

// timeouts are the units that are timeouts of the kernel's; comparedWith says of
// each what it can be compared with, by kind of step and key.
var (
	timeouts     = []Unit{SynTimeout, KeepaliveTimeout, Retries2Timeout, TimeWaitTimeout, FinTimeout}
	comparedWith = map[Unit][]string{
		SynTimeout:       {"connect elapsed", "connect connect_time", "http elapsed", "http connect_time"},
		KeepaliveTimeout: {"await elapsed"},
		Retries2Timeout:  {"exchange elapsed", "await elapsed"},
		TimeWaitTimeout:  {"close time_wait"},
		FinTimeout:       {"close fin_wait_2"},
	}
)

// read refuses a timeout where the kernel has none.
func (v *bound) read(d *decoder, key string, n ast.Node) bool {
	if !d.leaf(key, n, v) {
		return false
	}
	for _, t := range []Term{v.V.Term, v.V.Upper} {
		if t.Unit.IsTimeout() && !slices.Contains(comparedWith[t.Unit], d.step+" "+key) {
			c := bad("%s: %s is no time of %s step's %s", key, t.Unit, article(d.step), key)
			d.add(v.mark, c.want("it is one of: "+strings.Join(comparedWith[t.Unit], ", ")))
			return false
		}
	}
	return true
}

type rawAwait struct {
	mark
	Await   *title     `json:"await" jsonschema:"required" doc:"waits until the open connection of this name ends"`
	Timeout *timespan  `json:"timeout" doc:"ends the wait; default 30s"`
	Expect  *rawExpect `json:"expect" doc:"what must be observed"`
}

func (*rawAwait) noun() string { return "an await step" }

// rawUntil is a state for one end or both.
type rawUntil struct {
	mark
	Client *lastState `json:"client" doc:"the state that the client's socket is to enter"`
	Server *lastState `json:"server" doc:"the state that the server's socket is to enter"`
}

func (*rawUntil) noun() string { return "until" }

// sendTimes is a list of times, or the word for the kernel's own.
type sendTimes struct {
	mark
	list []*instant
	// schedule is true for the word.
	schedule bool
}

func (t *sendTimes) read(d *decoder, key string, n ast.Node) bool {
	t.set(d.place(n))
	s, c := scalarOf(n)
	if c == nil && s.kind == textKind && s.text == string(KernelSchedule) {
		t.schedule = true
		return true
	}
	if _, ok := n.(*ast.SequenceNode); !ok {
		c := bad("%s: must be a list of times, or the word %s, not %s", key, KernelSchedule, kindOf(n))
		d.add(t.mark, c.want(key+": [0s, 1s, 3s], or "+key+": "+string(KernelSchedule)).near(nearest(s.text, []Unit{KernelSchedule})))
		return false
	}
	return d.bind(key, n, reflect.ValueOf(&t.list).Elem())
}

type (
	clock     struct{ value[Clock] }
	lastState struct{ value[observe.State] }
)

var (
	clocks = []Clock{HostClock, VirtualClock}
	// lastStates are those that a connection can stay in once it is closed.
	lastStates = []observe.State{observe.FinWait2, observe.TimeWait, observe.CloseWait, observe.Closed}
)

func (v *clock) parse(s scalar) (c *complaint)     { v.V, c = pick(s, clocks); return c }
func (v *lastState) parse(s scalar) (c *complaint) { v.V, c = pick(s, lastStates); return c }
