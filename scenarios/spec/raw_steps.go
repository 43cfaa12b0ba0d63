package spec

import (
	"reflect"
	"slices"
	"strings"

	"testbed/agents"
	"testbed/observe"

	"github.com/goccy/go-yaml/ast"
)

// stepKinds are the actions, in the order of the documentation.
var stepKinds = []string{"connect", "http", "exec", "exchange", "transfer", "await", "close", "scan", "flood", "wait", "set", "parallel"}

// stepList is a scenario's steps, with the place of the list.
type stepList struct {
	mark
	list []*rawStep
}

func (l *stepList) read(d *decoder, key string, n ast.Node) bool {
	l.set(d.place(n))
	return d.bind(key, n, reflect.ValueOf(&l.list).Elem())
}

// rawStep is a step of one of the kinds; the others are nil.
type rawStep struct {
	mark
	connect  *rawConnect
	http     *rawHTTP
	exec     *rawExec
	exchange *rawExchange
	transfer *rawTransfer
	await    *rawAwait
	close    *rawClose
	scan     *rawScan
	flood    *rawFlood
	wait     *rawWait
	change   *rawSetStep
	parallel *rawParallel
}

func (s *rawStep) read(d *decoder, _ string, n ast.Node) bool {
	values, ok := mapping(n)
	if !ok {
		d.add(d.place(n), bad("a step must be a map, not %s", kindOf(n)).want("one action with its keys, such as {connect: server:80, from: client}"))
		return false
	}
	before := d.count
	s.set(d.place(n))
	kind := d.action(n, values)
	if kind == "" {
		return false
	}
	defer func(outer string) { d.step = outer }(d.step)
	d.step = kind
	ok = d.bind(kind, n, s.body(kind))
	s.partial = d.count > before
	return ok
}

// body is where a kind's keys go.
func (s *rawStep) body(kind string) reflect.Value {
	p := map[string]any{
		"connect": &s.connect, "http": &s.http, "exec": &s.exec, "exchange": &s.exchange, "transfer": &s.transfer,
		"await": &s.await, "close": &s.close, "scan": &s.scan, "flood": &s.flood, "wait": &s.wait, "set": &s.change, "parallel": &s.parallel,
	}[kind]
	return reflect.ValueOf(p).Elem()
}

// action finds the one action of a step; it is empty when there is none or more
// than one.
func (d *decoder) action(n ast.Node, values []*ast.MappingValueNode) string {
	found, first := "", mark{}
	var keys []string
	for _, kv := range values {
		key, _ := keyOf(kv.Key)
		at := d.place(kv.Key)
		switch {
		case !slices.Contains(stepKinds, key) || key == found:
			keys = append(keys, key)
		case found != "":
			d.add(at, bad("a step has one action: this one has %q on line %d already", found, first.line).want("a step of its own for "+key))
			return ""
		default:
			found, first = key, at
		}
	}
	if found == "" {
		near := ""
		for _, k := range keys {
			if near == "" {
				near = nearest(k, stepKinds)
			}
		}
		d.add(d.place(n), bad("a step without an action").want("one of "+strings.Join(stepKinds, ", ")).near(near))
	}
	return found
}

type rawConnect struct {
	mark
	Connect *word   `json:"connect" jsonschema:"required" doc:"opens a TCP connection to node:port, address:port or [IPv6 address]:port"`
	From    *ref    `json:"from" jsonschema:"required" doc:"the node that does it"`
	Family  *choice `json:"family" doc:"ipv4, ipv6, any or happy-eyeballs; default ipv4"`
	rawEyeballs
	rawRepeat
	Timeout *timespan  `json:"timeout" doc:"ends the attempt; default none but the kernel's own"`
	As      *title     `json:"as" doc:"keeps the connection open under this name"`
	Probes  *truth     `json:"keepalive" doc:"true has the kernel probe the connection while it is idle; default false"`
	Sport   *port      `json:"sport" doc:"the client's own port; default one that the kernel chooses"`
	Early   *word      `json:"fast_open" doc:"what is written with the connection (TCP Fast Open): in the SYN, if the client has a cookie of the server's"`
	Within  *timespan  `json:"user_timeout" doc:"how long the kernel goes on with what is not acknowledged (TCP_USER_TIMEOUT), whole milliseconds; default until its retries are used up"`
	Expect  *rawExpect `json:"expect" doc:"what must be observed"`
}

func (*rawConnect) noun() string { return "a connect step" }

type rawHTTP struct {
	mark
	HTTP   *word   `json:"http" jsonschema:"required" doc:"performs one GET request of an http:// or https:// URL"`
	From   *ref    `json:"from" jsonschema:"required" doc:"the node that does it"`
	Family *choice `json:"family" doc:"ipv4, ipv6, any or happy-eyeballs; default ipv4"`
	rawEyeballs
	rawTLS
	rawRepeat
	Timeout *timespan  `json:"timeout" doc:"ends the whole request; default 30s"`
	Expect  *rawExpect `json:"expect" doc:"what must be observed"`
}

func (*rawHTTP) noun() string { return "an http step" }

type rawExec struct {
	mark
	Exec       *command      `json:"exec" jsonschema:"required" doc:"runs a command: a line for sh -c, or a list of its arguments"`
	From       *ref          `json:"from" jsonschema:"required" doc:"the node that it runs in"`
	Timeout    *timespan     `json:"timeout" doc:"ends the command with SIGKILL; default 60s"`
	Background *truth        `json:"background" doc:"true leaves it running until the scenario ends; default false"`
	Ready      *port         `json:"ready" doc:"the TCP port on which something in the node must listen before the step ends; needs background"`
	Env        entries[word] `json:"env" doc:"variables added to its environment"`
	rawRepeat
	Expect *rawExpect `json:"expect" doc:"what must be observed"`
}

func (*rawExec) noun() string { return "an exec step" }

type rawExchange struct {
	mark
	Exchange *title   `json:"exchange" jsonschema:"required" doc:"writes to the open connection of this name and reads until the answer is complete"`
	Send     *word    `json:"send" doc:"what is written"`
	Read     *reading `json:"read" doc:"answer: until the answer is complete; nothing: what comes stays unread; end: until the other end has closed. Default answer"`
	rawRepeat
	Timeout *timespan  `json:"timeout" doc:"ends the wait for the answer; default 30s"`
	Expect  *rawExpect `json:"expect" doc:"what must be observed"`
}

func (*rawExchange) noun() string { return "an exchange step" }

type rawClose struct {
	mark
	Close   *title     `json:"close" jsonschema:"required" doc:"ends the open connection of this name"`
	With    *closeWith `json:"with" doc:"fin, reset, or half: a FIN that leaves the connection open for what the other end still sends; default fin"`
	Until   *rawUntil  `json:"until" doc:"watches both ends until each has entered its state, such as {client: CLOSED}"`
	Timeout *timespan  `json:"timeout" doc:"ends the watch; default 3m"`
	Expect  *rawExpect `json:"expect" doc:"what must be observed"`
}

func (*rawClose) noun() string { return "a close step" }

type rawWait struct {
	mark
	Wait *timespan `json:"wait" jsonschema:"required" doc:"lets time pass"`
}

func (*rawWait) noun() string { return "a wait step" }

func (*rawWait) explain(_ *decoder, key string) *complaint { return observesNothing("wait", key) }

type rawSetStep struct {
	mark
	Set *rawSet `json:"set" jsonschema:"required" doc:"changes a link or a node from now on"`
}

func (*rawSetStep) noun() string { return "a set step" }

func (*rawSetStep) explain(_ *decoder, key string) *complaint { return observesNothing("set", key) }

func observesNothing(kind, key string) *complaint {
	if key != "expect" {
		return nil
	}
	return bad("a %s step observes nothing", kind).want("expect in a step that does: connect, http, exec, exchange, await, close, scan, flood")
}

// command is a command line, or the list of a command's arguments.
type command struct {
	mark
	line string
	args []*word
}

func (c *command) read(d *decoder, key string, n ast.Node) bool {
	c.set(d.place(n))
	if _, ok := n.(*ast.SequenceNode); ok {
		before := d.count
		if d.bind(key, n, reflect.ValueOf(&c.args).Elem()); d.count > before {
			return false
		}
	} else {
		w := new(word)
		if !d.leaf(key, n, w) {
			return false
		}
		c.line = w.V
	}
	if strings.TrimSpace(c.line) == "" && (len(c.args) == 0 || c.args[0].V == "") {
		d.add(c.mark, bad("%s: no command", key).want("a command line, or a list such as [ping, -c, 1, server]"))
		return false
	}
	return true
}

// rawSet is a change of a link or of a node.
type rawSet struct {
	mark
	link *rawSetLink
	node *rawSetNode
}

func (s *rawSet) read(d *decoder, key string, n ast.Node) bool {
	s.set(d.place(n))
	values, _ := mapping(n)
	for _, kv := range values {
		switch k, _ := keyOf(kv.Key); k {
		case "link":
			return d.bind(key, n, reflect.ValueOf(&s.link).Elem())
		case "node":
			return d.bind(key, n, reflect.ValueOf(&s.node).Elem())
		}
	}
	d.add(s.mark, bad("set names neither a link nor a node").want("{link: [a, b], delay: 60ms}, or {node: a, listen: [...]}"))
	return false
}

type rawSetLink struct {
	mark
	Link *pair `json:"link" jsonschema:"required" doc:"the link to change, by its two nodes"`
	rawImpairment
	Toward entries[rawDirection] `json:"toward" doc:"what changes in the direction toward one end, by that end's name"`
}

func (*rawSetLink) noun() string { return "a change of a link" }

type rawSetNode struct {
	mark
	Node     *ref              `json:"node" jsonschema:"required" doc:"the node to change"`
	Listen   *[]*rawListener   `json:"listen" doc:"the servers from now on, in place of those before"`
	Firewall *[]*rawRule       `json:"firewall" doc:"the rules from now on, in place of those before"`
	Sysctls  *entries[setting] `json:"sysctls" doc:"kernel parameters to set"`

	Nftables  *script `json:"nftables" doc:"the ruleset in nft's syntax from now on; empty text removes it"`
	Iptables  *script `json:"iptables" doc:"the iptables rules from now on; empty text removes them"`
	IP6tables *script `json:"ip6tables" doc:"the ip6tables rules from now on; empty text removes them"`

	Resolver  *rawResolver  `json:"resolver" doc:"what the node's resolver knows from now on, and how it answers"`
	Conntrack *rawConntrack `json:"conntrack" doc:"how many flows the table holds from now on"`
	NAT       *rawSetNAT    `json:"nat" doc:"what the node's nat does from now on, in place of what it did"`
	Flush     *forgotten    `json:"flush" doc:"nat: forgets all flows and mappings, as a reboot does"`
	Routes    *[]*rawRoute  `json:"routes" doc:"the written-out routes from now on, in place of those before"`
}

func (*rawSetNode) noun() string { return "a change of a node" }

// The words of steps.
type (
	family    struct{ value[Family] }
	closeWith struct{ value[string] }
	outcome   struct {
		value[agents.Outcome]
		step string
	}
	errno    struct{ value[string] }
	tcpState struct{ value[observe.State] }
	cause    struct{ value[observe.Cause] }
	field    struct{ value[observe.Field] }
)

var (
	families   = []Family{IPv4, IPv6}
	closeWiths = []string{"fin", "reset", "half"}
)

func (v *family) parse(s scalar) (c *complaint)    { v.V, c = pick(s, families); return c }
func (v *closeWith) parse(s scalar) (c *complaint) { v.V, c = pick(s, closeWiths); return c }
