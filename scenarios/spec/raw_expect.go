package spec

import (
	"reflect"
	"slices"
	"strings"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"

	"github.com/goccy/go-yaml/ast"
)

// rawExpect holds the expectations of every kind of step; `on` lists the kinds
// that can observe each.
type rawExpect struct {
	mark
	Outcome       *outcome       `json:"outcome" on:"connect,http,exchange,transfer,await" doc:"how it ended"`
	Error         *errno         `json:"error" on:"connect,http,exchange,transfer,await" doc:"the errno's name, such as ETIMEDOUT"`
	Status        *count         `json:"status" on:"http" doc:"the HTTP status"`
	Exit          *count         `json:"exit" on:"exec" doc:"the command's exit status"`
	Stdout        *output        `json:"stdout" on:"exec" doc:"its output: equal after trimming, or a /regular expression/"`
	Stderr        *output        `json:"stderr" on:"exec" doc:"its error output: equal after trimming, or a /regular expression/"`
	Answer        *output        `json:"answer" on:"exchange" doc:"what was read: equal after trimming, or a /regular expression/"`
	ConnectTime   *bound         `json:"connect_time" on:"connect,http" doc:"from the call of connect to its return at the client"`
	AcceptTime    *bound         `json:"accept_time" on:"connect,http" doc:"from the first SYN leaving the client to the server's socket being ESTABLISHED"`
	TLSTime       *bound         `json:"tls_time" on:"http" doc:"from the start of the step to the end of the TLS handshake"`
	FirstByteTime *bound         `json:"first_byte_time" on:"http" doc:"from the start of the step to the first byte of the answer"`
	Open          *portList      `json:"open" on:"scan" doc:"the ports that are open, all of them"`
	Closed        *portList      `json:"closed" on:"scan" doc:"the ports that are closed, all of them"`
	Filtered      *portList      `json:"filtered" on:"scan" doc:"the ports that are filtered, all of them"`
	Sent          *count         `json:"sent" on:"flood" doc:"how many SYNs were sent"`
	Arrived       *count         `json:"arrived" on:"flood" doc:"how many SYNs reached the target"`
	Answered      *count         `json:"answered" on:"flood" doc:"for how many SYNs the target sent a SYN-ACK"`
	Counters      entries[count] `json:"counters" on:"flood" doc:"how much the target's counters of the kernel grew, by name, such as SyncookiesSent"`
	Elapsed       *bound         `json:"elapsed" on:"connect,http,exec,exchange,transfer,await,close,scan,flood" doc:"how long the action took, up to its outcome"`
	TimeWait      *bound         `json:"time_wait" on:"close" doc:"how long the end that closed was in TIME-WAIT"`
	FinWait2      *bound         `json:"fin_wait_2" on:"close" doc:"how long the end that closed was in FIN-WAIT-2"`
	Tolerance     *duration      `json:"tolerance" on:"connect,http,exec,exchange,transfer,await,close,scan,flood" doc:"how far times may be off; default 2% plus 5ms"`
	Handshake     []*handshake   `json:"handshake" on:"connect,http" doc:"the flags of the handshake's segments, in order, first transmissions only"`
	Segments      []*rawSegment  `json:"segments" on:"connect,http,exchange,await,close" doc:"the segments, in order, first transmissions only: all of the step, in connect and http up to the end of the handshake"`
	Negotiated    *rawNegotiated `json:"negotiated" on:"connect,http,exchange,await,close" doc:"what both ends agreed on, by the SYN and the SYN-ACK as they arrived: {mss, wscale, sack, timestamps, ecn}"`
	ResetBy       *place         `json:"reset_by" on:"connect,http,exchange,await,close" doc:"who sent the RST that ended the connection: a node, or a link with a fault that resets"`
	Packets       entries[count] `json:"packets" on:"connect,http,exchange,await,close" doc:"how many segments left their sender, by syn, syn_ack, ack, rst, fin"`
	SynTimes      *sendTimes     `json:"syn_times" on:"connect,http" doc:"when each SYN left, from the first: a list, or schedule for the kernel's own times"`
	SynAckTimes   *sendTimes     `json:"syn_ack_times" on:"connect,http,await" doc:"when each SYN-ACK of the connection left, from the first: a list, or schedule for the kernel's own times"`
	States        *rawStates     `json:"states" on:"connect,http,exchange,await,close" doc:"the TCP states that each end entered, in order"`
	SeenFrom      *ref           `json:"seen_from" on:"connect,http,exchange" doc:"the node whose address the server saw"`
	Dropped       *rawDropped    `json:"dropped" on:"connect,http,exec,exchange,transfer,await,close,scan" doc:"where packets died, and why"`
	Rewritten     *rawRewritten  `json:"rewritten" on:"connect,http,exchange" doc:"what a node on the way changed in packets: {at: fw, field: mss, from: 1460, to: 1340}"`

	ResolveTime *bound         `json:"resolve_time" on:"connect,http" doc:"from the start of the step until the first attempt could begin, or the name was known not to resolve"`
	Queries     entries[count] `json:"queries" on:"connect,http" doc:"how many questions resolvers were asked, by A and AAAA"`
	ConnectedTo *ref           `json:"connected_to" on:"connect,http" doc:"the node or the address that the connection is to"`
	Attempts    []*rawAttempt  `json:"attempts" on:"connect,http" doc:"the addresses that were tried, in order"`

	Outcomes entries[portion] `json:"outcomes" on:"connect,http,exchange,await" doc:"the shares of outcomes over all repetitions, such as connected: >= 95% in quotes"`
	P50      *rawTimes        `json:"p50" on:"connect,http,exec,exchange,await,close" doc:"times that half of the repetitions do not exceed"`
	P95      *rawTimes        `json:"p95" on:"connect,http,exec,exchange,await,close" doc:"times that 95% of the repetitions do not exceed"`
	Max      *rawTimes        `json:"max" on:"connect,http,exec,exchange,await,close" doc:"the longest times of all repetitions"`

	TLSVersion *tlsVersion `json:"tls_version" on:"http" doc:"the TLS version that both speak"`
	Resumed    *truth      `json:"resumed" on:"http" doc:"whether a TLS session was resumed"`

	Bytes           *volume     `json:"bytes" on:"transfer" doc:"how many bytes got across"`
	Throughput      *throughput `json:"throughput" on:"transfer" doc:"bits of data a second, from the first byte sent to the last one across"`
	Stalled         *bound      `json:"stalled" on:"transfer" doc:"the longest time in which nothing new arrived that the receiving program can read"`
	Retransmissions *count      `json:"retransmissions" on:"transfer" doc:"how many segments the sender sent again"`
	RTT             *bound      `json:"rtt" on:"transfer" doc:"the round-trip time as the sender's kernel estimates it in the end"`

	Kernels entries[rawExpect] `json:"kernels" on:"connect,http,exec,exchange,transfer,await,close,scan,flood" doc:"what is expected in addition on some kernels, by a range of versions such as >= 6.5 in quotes"`
}

func (*rawExpect) noun() string { return "expect" }

// explain tells an expectation of another kind of step from a wrong spelling.
func (e *rawExpect) explain(d *decoder, key string) *complaint {
	kinds := observers(key)
	if len(kinds) == 0 {
		return nil
	}
	c := bad("%s step cannot observe %s, only %s can", article(d.step), key, strings.Join(kinds, ", "))
	return c.want(article(d.step) + " step can observe " + strings.Join(d.keys(rawExpectType), ", "))
}

var rawExpectType = reflect.TypeFor[rawExpect]()

func article(kind string) string {
	if strings.IndexByte("aeiou", kind[0]) >= 0 || kind == "http" {
		return "an " + kind
	}
	return "a " + kind
}

// observers are the kinds of steps that can observe what the key expects.
func observers(key string) []string {
	return slices.DeleteFunc(slices.Clone(stepKinds), func(kind string) bool {
		return !slices.Contains((&decoder{step: kind}).keys(rawExpectType), key)
	})
}

type rawStates struct {
	mark
	Client []*tcpState `json:"client" doc:"the states of the client's socket, by RFC 9293's names"`
	Server []*tcpState `json:"server" doc:"the states of the server's socket"`
}

func (*rawStates) noun() string { return "states" }

type rawDropped struct {
	mark
	At    *place `json:"at" doc:"the node or the link where they died: fw, or [fw, server]"`
	Rule  *title `json:"rule" doc:"the firewall rule that dropped them"`
	Fault *title `json:"fault" doc:"the fault of a link that dropped or corrupted them"`
	Cause *cause `json:"cause" doc:"why they died, such as rule, loss, blackhole or no-route"`
}

func (*rawDropped) noun() string { return "dropped" }

type rawRewritten struct {
	mark
	At    *ref   `json:"at" doc:"the node that changed them"`
	Field *field `json:"field" jsonschema:"required" doc:"what it changed: ecn, mss, wscale, sack, timestamps, fast_open or ecn_setup"`
	From  *word  `json:"from" doc:"the value before: a number for mss and wscale, yes, none, or such as ect0 for ecn"`
	To    *word  `json:"to" doc:"the value after"`
}

func (*rawRewritten) noun() string { return "rewritten" }

// place is a node's name, a link's two, or a link's two joined by a hyphen.
type place struct {
	mark
	text string
	link *pair
}

func (p *place) read(d *decoder, key string, n ast.Node) bool {
	p.set(d.place(n))
	if _, ok := n.(*ast.SequenceNode); ok {
		p.link = new(pair)
		return p.link.read(d, key, n)
	}
	r := new(ref)
	ok := d.leaf(key, n, r)
	p.text = r.V
	return ok
}

// handshake is a set of flags in its usual order.
type handshake struct{ value[string] }

func (v *handshake) parse(s scalar) *complaint {
	f, c := parseFlags(s.text)
	v.V = f.String()
	return c
}

// errnos are those that a connection can end with.
var errnos = []string{
	"ECONNREFUSED", "ETIMEDOUT", "EHOSTUNREACH", "ENETUNREACH", "ECONNRESET", "EACCES", "EPERM", "EINVAL", "ENOPROTOOPT",
	"EPIPE", "ECONNABORTED", "EADDRNOTAVAIL", "EADDRINUSE", "EAFNOSUPPORT", "ENETDOWN", "EHOSTDOWN", "EPROTO", "EMSGSIZE", "EAGAIN", "EOPNOTSUPP",
	"EAI_NONAME", "EAI_AGAIN",
}

// packetKinds are the keys of packets.
var packetKinds = []string{"syn", "syn_ack", "ack", "rst", "fin"}

// causes are observe's, then netem's.
var causes = []observe.Cause{
	observe.ByRule, observe.ByRuleset, observe.ByNAT, observe.ByFiltering, observe.ByExhaustion, observe.ByFullTable, observe.ByRPFilter, observe.ByBlackhole, observe.ByUnreachable, observe.ByProhibit, observe.ByNoRoute,
	observe.ByNoNeighbour, observe.ByTTL, observe.ByMTU, observe.ByNoForwarding, observe.ByFullQueue, observe.BySynQueue, observe.Unknown,
	observe.Cause(netem.Lost), observe.Burst, observe.Corrupted, observe.Cause(netem.TooBig), observe.Cause(netem.LinkDown), observe.Cause(netem.Overflow), observe.Cause(netem.Faulted),
}

func (v *errno) parse(s scalar) (c *complaint)    { v.V, c = pick(s, errnos); return c }
func (v *tcpState) parse(s scalar) (c *complaint) { v.V, c = pick(s, observe.States); return c }
func (v *field) parse(s scalar) (c *complaint)    { v.V, c = pick(s, observe.Fields); return c }
func (v *cause) parse(s scalar) (c *complaint)    { v.V, c = pick(s, causes); return c }

func (v *outcome) read(d *decoder, key string, n ast.Node) bool {
	v.step = d.step
	return d.leaf(key, n, v)
}

func (v *outcome) parse(s scalar) (c *complaint) {
	all := outcomesOf(v.step)
	if v.V, c = pick(s, all); c != nil && slices.Contains(allOutcomes(), agents.Outcome(s.text)) {
		c.message = article(v.step) + " step cannot end " + quote(s.text)
	}
	return c
}

// outcomesOf are those of a kind of step.
func outcomesOf(kind string) []agents.Outcome {
	switch kind {
	case "http":
		return agents.RequestOutcomes
	case "exchange":
		return agents.ExchangeOutcomes
	case "transfer":
		return agents.TransferOutcomes
	case "await":
		return agents.AwaitOutcomes
	}
	return agents.ConnectOutcomes
}

func allOutcomes() []agents.Outcome {
	all := slices.Clone(agents.ConnectOutcomes)
	for _, o := range slices.Concat(agents.ExchangeOutcomes, agents.TransferOutcomes) {
		if !slices.Contains(all, o) {
			all = append(all, o)
		}
	}
	return all
}
