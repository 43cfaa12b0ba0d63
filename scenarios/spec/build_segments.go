package spec

import (
	"fmt"
	"strings"

	"testbed/topo"
)

// segments are the expected segments with their texts.
func (b *builder) segments(raw []*rawSegment) (all []Segment) {
	for _, r := range raw {
		s := b.segment(r)
		s.Text = segmentText(&s)
		all = append(all, s)
	}
	return all
}

func (b *builder) segment(r *rawSegment) Segment {
	if r.any {
		return Segment{Any: true}
	}
	s := Segment{
		Seq: counting(r.Seq), Ack: counting(r.Ack), Payload: counting(r.Payload), Window: counting(r.Window),
		ECE: said(r.ECE), CWR: said(r.CWR),
	}
	if r.Flags != nil {
		s.Flags = r.Flags.V
	}
	if r.From != nil {
		s.From, s.Link = b.sender("from", r.From)
	}
	if r.Saddr != nil {
		s.Saddr = r.Saddr.V
	}
	if r.Daddr != nil {
		s.Daddr = r.Daddr.V
	}
	if r.Sport != nil {
		s.Sport = r.Sport.V
	}
	if r.Dport != nil {
		s.Dport = r.Dport.V
	}
	if r.ECN != nil {
		s.ECN = &r.ECN.V
	}
	if r.Options != nil {
		s.Options = b.options(r.Options)
	}
	return s
}

// sender is a node, or a link.
func (b *builder) sender(key string, p *place) (node string, link *[2]string) {
	var d Dropped
	b.scene(key, &d, p)
	b.sends(key, p.mark, d.Link)
	return d.Node, d.Link
}

// sends notes a link that had no fault up to this step, which alone can make a
// segment.
func (b *builder) sends(key string, at mark, ends *[2]string) {
	if ends == nil || !b.linked || b.unsure || b.lost["faults"] || b.lost["mutations"] || b.lost["steps"] {
		return
	}
	i := b.sc.Topology.LinkIndex(ends[0], ends[1])
	if i < 0 || b.vague[b.sc.Topology.Links[i].Ends] || len(b.struck(*ends)) > 0 {
		return
	}
	b.add(at, bad("%s: the link between %q and %q has had no fault, so it has sent nothing", key, ends[0], ends[1]).
		want("a node; or a link with a fault that resets, such as faults: [{match: {proto: tcp}, do: reset}]"))
}

func (b *builder) options(r *rawOptions) *Options {
	o := &Options{SACK: said(r.SACK), Timestamps: said(r.Timestamps)}
	if r.MSS != nil {
		o.MSS = &r.MSS.V
	}
	if r.WScale != nil {
		o.WScale = &r.WScale.V
	}
	if r.FastOpen != nil {
		o.FastOpen = &r.FastOpen.V
	}
	if *o == (Options{}) && !r.partial {
		b.add(r.mark, bad("options of which nothing is expected").want("mss, wscale, sack, timestamps or fast_open, such as {mss: 1460}"))
	}
	return o
}

func counting(v *count) *Count {
	if v == nil {
		return nil
	}
	return &v.V
}

func said(v *truth) *bool {
	if v == nil {
		return nil
	}
	return &v.V
}

// segmentText is an expected segment as a person would say it.
func segmentText(s *Segment) string {
	if s.Any {
		return "…"
	}
	var parts []string
	add := func(there bool, format string, args ...any) {
		if there {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	add(s.Flags != "", "%s", s.Flags)
	add(s.From != "", "from %s", s.From)
	if s.Link != nil {
		add(true, "from link %s – %s", s.Link[0], s.Link[1])
	}
	for _, n := range []struct {
		name string
		c    *Count
	}{{"seq", s.Seq}, {"ack", s.Ack}, {"len", s.Payload}, {"win", s.Window}} {
		if n.c != nil {
			add(true, "%s", n.name+equals(n.c.Text))
		}
	}
	add(s.Saddr.IsValid(), "saddr=%s", s.Saddr)
	add(s.Daddr.IsValid(), "daddr=%s", s.Daddr)
	add(!s.Sport.IsZero(), "sport=%s", portsText(s.Sport))
	add(!s.Dport.IsZero(), "dport=%s", portsText(s.Dport))
	if s.Options != nil {
		parts = append(parts, optionTexts(s.Options)...)
	}
	for _, f := range []struct {
		name string
		is   *bool
	}{{"ece", s.ECE}, {"cwr", s.CWR}} {
		if f.is != nil {
			add(true, "%s=%t", f.name, *f.is)
		}
	}
	if s.ECN != nil {
		add(true, "ecn=%s", orWord(string(*s.ECN), notECT))
	}
	return strings.Join(parts, " ")
}

func optionTexts(o *Options) (parts []string) {
	for _, n := range []struct {
		name string
		v    *Optional
	}{{"mss", o.MSS}, {"wscale", o.WScale}} {
		if n.v != nil {
			parts = append(parts, n.name+equals(n.v.Text))
		}
	}
	for _, f := range []struct {
		name string
		is   *bool
	}{{"sack", o.SACK}, {"timestamps", o.Timestamps}} {
		if f.is != nil {
			parts = append(parts, fmt.Sprintf("%s=%t", f.name, *f.is))
		}
	}
	if o.FastOpen != nil {
		parts = append(parts, "fast_open="+orWord(string(*o.FastOpen), none))
	}
	return parts
}

// equals joins a name and a number, or a bound.
func equals(text string) string {
	if text != "" && strings.IndexByte("<>=", text[0]) >= 0 {
		return text
	}
	return "=" + text
}

func orWord(s, word string) string {
	if s == "" {
		return word
	}
	return s
}

func portsText(r topo.PortRange) string {
	if r.First == r.Last {
		return fmt.Sprint(r.First)
	}
	return fmt.Sprintf("%d-%d", r.First, r.Last)
}
