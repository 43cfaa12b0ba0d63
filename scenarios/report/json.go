package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/netip"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"testbed/observe"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

// JSON writes results as one Document, indented, with a line end. Characters
// that are not printable are written as \u escapes, so that the file is also
// safe to show on a terminal.
func JSON(w io.Writer, results []*verdict.Result) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(NewDocument(results)); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	_, err := io.WriteString(w, escapeUnprintable(b.String()))
	return err
}

// escapeUnprintable escapes what encoding/json leaves as it is. JSON has such
// characters only within strings.
func escapeUnprintable(s string) string {
	if !strings.ContainsFunc(s, isUnprintable) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		switch {
		case !isUnprintable(r):
			b.WriteRune(r)
		case r > 0xffff:
			hi, lo := utf16.EncodeRune(r)
			fmt.Fprintf(&b, `\u%04x\u%04x`, hi, lo)
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

func isUnprintable(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }

// NewDocument is the document that JSON writes.
func NewDocument(results []*verdict.Result) *Document {
	d := &Document{Version: Version, OK: true, Scenarios: []ScenarioDocument{}}
	for _, r := range results {
		s := scenarioDocument(r)
		d.OK = d.OK && s.OK
		d.Scenarios = append(d.Scenarios, s)
	}
	return d
}

func scenarioDocument(r *verdict.Result) ScenarioDocument {
	d := ScenarioDocument{OK: r.OK(), Began: r.Began.UTC(), ElapsedNS: int64(r.Elapsed), Steps: []StepDocument{}}
	if s := r.Scenario; s != nil {
		d.Name, d.File, d.Summary, d.Tags = s.Name, s.File, strings.TrimSpace(s.Summary), s.Tags
	}
	d.Kernel, d.Skipped, d.Links = r.Kernel, r.Skipped, string(r.Links)
	if r.Err != nil {
		d.Error, d.Interrupted = r.Err.Error(), isInterrupt(r.Err)
	}
	d.Steps = stepDocuments(r)
	for _, c := range r.Cells {
		d.Cells = append(d.Cells, cellDocument(c))
	}
	return d
}

func stepDocuments(r *verdict.Result) []StepDocument {
	all := []StepDocument{}
	for i := range r.Steps {
		if r.Steps[i].Observation != nil {
			all = append(all, stepDocument(r, &r.Steps[i]))
		}
	}
	return all
}

func stepDocument(r *verdict.Result, s *verdict.StepResult) StepDocument {
	o := s.Observation
	d := StepDocument{
		Step: o.Step, Kind: string(o.Kind), Title: o.Title, From: o.From, Target: o.Target,
		OK: s.Verdict.OK, Began: o.Began.UTC(), ElapsedNS: int64(o.Elapsed),
		Outcome: string(o.Outcome), Errno: o.Errno, Deadline: o.Deadline, Detail: o.Detail,
		Local: addrPort(o.Local), Remote: addrPort(o.Remote), Path: pathDocument(o.Path),
		ConnectTimeNS: ns(o.ConnectTime), ConnectSource: string(o.ConnectSource), CallTimeNS: ns(o.CallTime), AcceptTimeNS: ns(o.AcceptTime),
		TLSTimeNS: ns(o.TLSTime), FirstByteTimeNS: ns(o.FirstByteTime),
		TimeWaitNS: lastedNS(o.TimeWait), FinWait2NS: lastedNS(o.FinWait2), ResolutionNS: int64(o.Resolution),
		Negotiated: negotiatedDocument(o), ResetBy: resetDocument(o),
		States: statesDocument(o), SeenFrom: o.SeenFrom, SeenAddr: addrPort(o.SeenAddr),
		Status: o.Status, Answer: o.Answer, UnseenFrames: o.Unseen, RulesShared: o.RulesShared,
		Transfer:   transferDocument(o),
		TLSVersion: o.TLSVersion, TLSResumed: o.Resumed,
		Checks: []CheckDocument{}, Explanation: ExplainStep(r, s),
	}
	if s.Step != nil {
		d.Line = s.Step.Line
	}
	if o.AcceptTime != nil {
		d.AcceptSource = string(o.AcceptSource)
	}
	if o.Kind == verdict.Exec {
		d.Command = &CommandDocument{Exit: o.Exit, Stdout: o.Stdout, Stderr: o.Stderr}
	}
	d.Checks = append(d.Checks, checkDocuments(s.Verdict)...)
	if len(o.Samples) > 0 {
		d.Series, d.Repetition = seriesDocument(inARow("", s)), o.Repetition
	}
	for _, c := range o.Rules {
		d.Rules = append(d.Rules, RuleDocument{c.Node, c.Rule, string(c.Action), c.Packets})
	}
	for _, c := range o.Rewrites {
		d.Rewrites = append(d.Rewrites, RewriteDocument{c.Node, string(c.Field), c.From, c.To, c.Packets})
	}
	d.Ports, d.Flood = portDocuments(o), floodDocument(o.Flood)
	d.Journeys = journeyDocuments(r, s, o.Journeys)
	d.addNames(r, s)
	for _, n := range s.Nested() {
		d.Parallel = append(d.Parallel, stepDocument(r, &n))
	}
	return d
}

func checkDocuments(v verdict.Verdict) (all []CheckDocument) {
	for _, c := range v.Checks {
		all = append(all, CheckDocument{c.Key, c.Expected, c.Observed, c.Tolerance, c.From, c.OK, c.Note, c.Kernels})
	}
	return all
}

func ns(d *time.Duration) *int64 {
	if d == nil {
		return nil
	}
	n := int64(*d)
	return &n
}

func lastedNS(l *verdict.Lasted) *int64 {
	if l == nil {
		return nil
	}
	return ns(&l.Duration)
}

func addrPort(a netip.AddrPort) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}

func pathDocument(p verdict.Path) *PathDocument {
	if len(p.Nodes) == 0 {
		return nil
	}
	d := &PathDocument{Nodes: p.Nodes, ThereNS: []int64{}, Return: p.Return, BackNS: []int64{}}
	for _, t := range p.There {
		d.ThereNS = append(d.ThereNS, int64(t))
	}
	for _, t := range p.Back {
		d.BackNS = append(d.BackNS, int64(t))
	}
	return d
}

func statesDocument(o *verdict.Observation) *StatesDocument {
	if len(o.ClientStates)+len(o.ServerStates) == 0 {
		return nil
	}
	convert := func(changes []observe.StateChange) (out []StateDocument) {
		for _, c := range changes {
			out = append(out, StateDocument{int64(c.Time.Sub(o.Began)), string(c.State)})
		}
		return out
	}
	return &StatesDocument{Source: string(o.StateSource), Client: convert(o.ClientStates), Server: convert(o.ServerStates)}
}

func journeyDocuments(r *verdict.Result, s *verdict.StepResult, js []observe.Journey) []JourneyDocument {
	o := s.Observation
	at := gather(s.Step, o, s.Verdict, topology(r)).places
	var out []JourneyDocument
	for i := range js {
		j := &js[i]
		if len(j.Sightings) == 0 || j.Packet() == nil {
			continue
		}
		d := JourneyDocument{Packet: packetDocument(j.Packet()), Sender: j.Sender, Retransmission: j.Retransmission, Fate: fateDocument(j.Fate)}
		if j.Made != nil {
			made := strikeDocument(*j.Made)
			d.Made = &made
		}
		for _, x := range j.Strikes {
			d.Strikes = append(d.Strikes, strikeDocument(x))
		}
		for k := range j.Sightings {
			d.Sightings = append(d.Sightings, sightingDocument(&j.Sightings[k], j.Packet(), at, o.Began))
		}
		out = append(out, d)
	}
	return out
}

func sightingDocument(s *observe.Sighting, first *observe.Packet, at places, began time.Time) SightingDocument {
	d := SightingDocument{AtNS: int64(s.Time.Sub(began)), Link: s.Link, Node: at.node(s), Sent: s.Sent, Corrupted: s.Corrupted}
	if s.Packet != nil {
		src, dst := ends(s.Packet)
		if a, _ := ends(first); a != src {
			d.Src = src
		}
		if _, b := ends(first); b != dst {
			d.Dst = dst
		}
	}
	return d
}

// ends are a packet's addresses, with the ports where it has some.
func ends(p *observe.Packet) (src, dst string) {
	switch {
	case p.TCP != nil:
		return netip.AddrPortFrom(p.Src, p.TCP.SrcPort).String(), netip.AddrPortFrom(p.Dst, p.TCP.DstPort).String()
	case p.UDP != nil:
		return netip.AddrPortFrom(p.Src, p.UDP.SrcPort).String(), netip.AddrPortFrom(p.Dst, p.UDP.DstPort).String()
	}
	return p.Src.String(), p.Dst.String()
}

func packetDocument(p *observe.Packet) PacketDocument {
	d := PacketDocument{Protocol: protocol(p.Proto), TTL: p.TTL, Length: p.Length, ECN: string(p.ECN)}
	d.Src, d.Dst = ends(p)
	if t := p.TCP; t != nil {
		d.Flags, d.Payload, d.Seq = t.Flags.String(), t.Payload, &t.Seq
		if t.Flags&topo.ACK != 0 {
			d.Ack = &t.Ack
		}
		d.Options, d.ECE, d.CWR = optionsDocument(t), t.ECE, t.CWR
	}
	if p.UDP != nil {
		d.Payload = p.UDP.Payload
		if p.UDP.DNS != nil {
			d.DNS = dnsDocument(p.UDP.DNS)
		}
	}
	if c := p.ICMP; c != nil {
		d.ICMP, d.Type, d.Code = icmpName(p), &c.Type, &c.Code
		if c.Quoted != nil {
			q := packetDocument(c.Quoted)
			d.Quoted = &q
		}
	}
	return d
}

func optionsDocument(t *observe.TCP) *OptionsDocument {
	d := &OptionsDocument{MSS: t.Options.MSS, SACK: t.Options.SACKPermitted, Timestamps: t.HasTS, FastOpen: string(t.Options.FastOpen)}
	if t.Options.HasWindowScale {
		d.WScale = &t.Options.WindowScale
	}
	if *d == (OptionsDocument{}) {
		return nil
	}
	return d
}

func negotiatedDocument(o *verdict.Observation) *NegotiatedDocument {
	n := verdict.NegotiationOf(o)
	if n == nil {
		return nil
	}
	return &NegotiatedDocument{n.MSS, n.WScale, n.SACK, n.Timestamps, n.ECN}
}

func resetDocument(o *verdict.Observation) *ResetDocument {
	r := verdict.ResetOf(o)
	if r == nil {
		return nil
	}
	d := &ResetDocument{Node: r.Sender, TTL: r.TTL, Hops: r.Hops}
	if r.Made != nil {
		d.Link, d.Fault = r.Made.Link[:], r.Made.Fault
	}
	return d
}

func strikeDocument(s observe.Strike) StrikeDocument {
	return StrikeDocument{Link: s.Link[:], Fault: s.Fault, Do: string(s.Do), ByNS: int64(s.By)}
}

func fateDocument(f observe.Fate) FateDocument {
	switch {
	case f.Taken != observe.Taken{}:
		return FateDocument{End: "taken", Node: f.Taken.Node, Rule: f.Taken.Rule}
	case f.Delivered:
		return FateDocument{End: "delivered"}
	case f.Pending:
		return FateDocument{End: "pending"}
	}
	d := FateDocument{End: "dropped", Node: f.Drop.Node, Cause: string(f.Drop.Cause), Rule: f.Drop.Rule, Fault: f.Drop.Fault, Answer: f.Drop.Answer}
	if f.Drop.Or != "" {
		d.OrRules = f.Drop.Rules()[1:]
	}
	if f.Drop.Link != [2]string{} {
		d.Link = []string{f.Drop.Link[0], f.Drop.Link[1]}
	}
	return d
}
