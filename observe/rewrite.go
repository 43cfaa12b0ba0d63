package observe

import (
	"cmp"
	"slices"
	"strconv"

	"testbed/topo"
)

// Field is what of a packet a node on its way can change, beside addresses, ports
// and hop limit: a topo.TCPOption, or FieldECN.
type Field string

// FieldECN is the ECN field of the IP header (RFC 3168, section 5).
const FieldECN Field = "ecn"

// Fields lists every field.
var Fields = func() []Field {
	all := []Field{FieldECN}
	for _, o := range topo.TCPOptions {
		all = append(all, Field(o))
	}
	return all
}()

// Absent is the value of an option that is not there.
const Absent = "none"

// Rewrite is a field that a node changed in packets on their way.
type Rewrite struct {
	Node  string
	Field Field
	// From and To are the values before and after: a number for mss and wscale, "yes" for other options that are there, Absent for those that are
	// not, and a codepoint's name such as "ect0" for FieldECN.
	From, To string
	// Flags are those of the first such packet's TCP header.
	Flags topo.TCPFlags
	// Packets is how many packets were changed like this.
	Packets int
}

// Rewrites compares a packet as it left each node with how it came there, by the
// names of the nodes at whose interfaces it was seen. What a link damaged is none of
// it.
func (j *Journey) Rewrites(node func(*Sighting) string) (all []Rewrite) {
	for k := range j.Sightings {
		out := &j.Sightings[k]
		if !out.Sent || out.Corrupted {
			continue
		}
		at := node(out)
		for _, in := range slices.Backward(j.Sightings[:k]) {
			if !in.Sent && !in.Corrupted && node(&in) == at {
				all = append(all, differences(at, in.Packet, out.Packet)...)
				break
			}
		}
	}
	return all
}

func differences(node string, in, out *Packet) (all []Rewrite) {
	before, after := values(in), values(out)
	for i, f := range Fields {
		if i >= len(before) || i >= len(after) || before[i] == after[i] {
			continue
		}
		r := Rewrite{Node: node, Field: f, From: before[i], To: after[i], Packets: 1}
		if in.TCP != nil {
			r.Flags = in.TCP.Flags
		}
		all = append(all, r)
	}
	return all
}

// Text is the change in words: "mss 1460 → 1340".
func (r *Rewrite) Text() string { return string(r.Field) + " " + r.From + " → " + r.To }

// values are what a packet says in each of Fields; of one without a TCP header only
// the first is there.
func values(p *Packet) []string {
	v := []string{cmp.Or(string(p.ECN), "not-ect")}
	t := p.TCP
	if t == nil {
		return v
	}
	for _, o := range topo.TCPOptions {
		v = append(v, valueOf(t, o))
	}
	return v
}

func valueOf(t *TCP, o topo.TCPOption) string {
	there := false
	switch o {
	case topo.OptionMSS:
		if t.Options.MSS != 0 {
			return strconv.Itoa(int(t.Options.MSS))
		}
	case topo.OptionWindowScale:
		if t.Options.HasWindowScale {
			return strconv.Itoa(int(t.Options.WindowScale))
		}
	case topo.OptionSACK:
		there = t.Options.SACKPermitted
	case topo.OptionTimestamps:
		there = t.HasTS
	case topo.OptionFastOpen:
		there = t.Options.FastOpen != ""
	case topo.ECNSetup:
		there = t.Flags&topo.SYN != 0 && t.ECE
	}
	if there {
		return "yes"
	}
	return Absent
}
