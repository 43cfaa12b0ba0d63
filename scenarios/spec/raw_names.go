package spec

import (
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"

	"testbed/agents"
	"testbed/topo"

	"github.com/goccy/go-yaml/ast"
)

// rawEyeballs are the delays of Happy Eyeballs in a step.
type rawEyeballs struct {
	AttemptDelay    *duration `json:"attempt_delay" doc:"RFC 8305's Connection Attempt Delay, for family: happy-eyeballs; default 250ms"`
	ResolutionDelay *duration `json:"resolution_delay" doc:"RFC 8305's Resolution Delay, for family: happy-eyeballs; default 50ms"`
}

type rawResolver struct {
	mark
	Records entries[rawRecord] `json:"records" jsonschema:"required" doc:"what it knows, by name: a list of nodes and addresses, one of them, or nxdomain; [] is a name without addresses"`
	Delay   entries[timespan]  `json:"delay" doc:"how much later than at once it answers, by A and AAAA"`
	Silent  []*recordType      `json:"silent" doc:"the questions that it never answers: A, AAAA"`
}

func (*rawResolver) noun() string { return "a resolver" }

// rawRecord is one target or a list of them.
type rawRecord struct {
	mark
	list []*ref
}

func (r *rawRecord) read(d *decoder, key string, n ast.Node) bool {
	r.set(d.place(n))
	if _, ok := n.(*ast.SequenceNode); ok {
		return d.bind(key, n, reflect.ValueOf(&r.list).Elem())
	}
	one := new(ref)
	if !d.leaf(key, n, one) {
		return false
	}
	r.list = []*ref{one}
	return true
}

// rawStub is a list of resolvers, or a map.
type rawStub struct {
	mark
	Ask      []*ref    `json:"ask" jsonschema:"required" doc:"the resolvers in the order in which they are asked: nodes and addresses"`
	Timeout  *patience `json:"timeout" doc:"how long a resolver has to answer, whole seconds up to 30s; default 5s"`
	Attempts *natural  `json:"attempts" doc:"how often each is asked, 1 to 5; default 2"`
}

func (*rawStub) noun() string { return "nameservers" }

func (s *rawStub) read(d *decoder, key string, n ast.Node) bool {
	if _, ok := mapping(n); ok {
		return d.structure(key, n, reflect.ValueOf(s).Elem())
	}
	s.set(d.place(n))
	return d.bind(key, n, reflect.ValueOf(&s.Ask).Elem())
}

type rawAttempt struct {
	mark
	To      *ref            `json:"to" doc:"the node or the address that was tried"`
	Family  *family         `json:"family" doc:"ipv4 or ipv6"`
	Outcome *attemptOutcome `json:"outcome" doc:"how it ended; abandoned if another one was faster"`
	At      *instant        `json:"at" doc:"when it began, from the start of the step"`
	Elapsed *bound          `json:"elapsed" doc:"how long it took, or until it was abandoned"`
}

func (*rawAttempt) noun() string { return "an attempt" }

type (
	patience       struct{ value[time.Duration] }
	recordType     struct{ value[topo.RecordType] }
	attemptOutcome struct{ value[agents.Outcome] }
	choice         struct{ value[Family] }
)

var (
	choices         = []Family{IPv4, IPv6, AnyFamily, HappyEyeballs}
	attemptOutcomes = append(slices.Clone(agents.ConnectOutcomes), agents.Abandoned)
)

func (v *recordType) parse(s scalar) (c *complaint)     { v.V, c = pick(s, topo.RecordTypes); return c }
func (v *attemptOutcome) parse(s scalar) (c *complaint) { v.V, c = pick(s, attemptOutcomes); return c }
func (v *choice) parse(s scalar) (c *complaint)         { v.V, c = pick(s, choices); return c }

func (v *patience) parse(s scalar) (c *complaint) {
	const valid = "1s to 30s, whole seconds, as in resolv.conf(5)"
	switch v.V, c = parseDuration(s.text); {
	case c != nil:
		return c.want(valid)
	case v.V < time.Second || v.V > maxResolveTimeout || v.V%time.Second != 0:
		return bad("%s is no time that a resolver can be given", quote(s.text)).want(valid)
	}
	return nil
}

// What resolv.conf(5) allows.
const (
	maxServers         = 3
	maxResolveTimeout  = 30 * time.Second
	maxResolveAttempts = 5
)

// domainName is why a name cannot be one that a resolver knows, or nil. A dot tells
// it from a node's.
func domainName(s string) *complaint {
	const valid = "a name with a dot in it, such as www.example: letters, digits, hyphens and dots"
	labels := strings.Split(s, ".")
	wrong := func(l string) bool {
		odd := strings.IndexFunc(l, func(r rune) bool { return !isAlphanumeric(r) && r != '-' && r != '_' }) >= 0
		return l == "" || len(l) > 63 || odd || l[0] == '-' || l[len(l)-1] == '-'
	}
	if _, err := netip.ParseAddr(s); err == nil || len(s) > 253 || len(labels) < 2 || slices.ContainsFunc(labels, wrong) || strings.Trim(s, "0123456789.") == "" {
		c := bad("%s is no name for a resolver", quote(s)).want(valid)
		if fixed := strings.TrimSuffix(s, "."); fixed != s && domainName(fixed) == nil {
			c.near(fixed)
		}
		return c
	}
	return nil
}

// isDomainName tells whether a target is meant to be a resolver's name.
func isDomainName(s string) bool { return strings.Contains(s, ".") && domainName(s) == nil }
