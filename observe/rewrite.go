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
	before, after := Values(in), Values(out)
	for _, f := range Fields {
		if before[f] == after[f] {
			continue
		}
		r := Rewrite{Node: node, Field: f, From: before[f], To: after[f], Packets: 1}
		if in.TCP != nil {
			r.Flags = in.TCP.Flags
		}
		all = append(all, r)
	}
	return all
}

// Text is the change in words: "mss 1460 → 1340".
func (r *Rewrite) Text() string { return string(r.Field) + " " + r.From + " → " + r.To }

// Values are what a packet says in each field.
func Values(p *Packet) map[Field]string {
	v := map[Field]string{FieldECN: cmp.Or(string(p.ECN), "not-ect")}
	t := p.TCP
	if t == nil {
		return v
	}
	for o, there := range map[topo.TCPOption]bool{
		topo.OptionMSS: t.Options.MSS != 0, topo.OptionWindowScale: t.Options.HasWindowScale, topo.OptionSACK: t.Options.SACKPermitted,
		topo.OptionTimestamps: t.HasTS, topo.OptionFastOpen: t.Options.FastOpen != "",
		topo.ECNSetup: t.Flags&topo.SYN != 0 && t.ECE,
	} {
		v[Field(o)] = Absent
		if there {
			v[Field(o)] = "yes"
		}
	}
	if t.Options.MSS != 0 {
		v[Field(topo.OptionMSS)] = strconv.Itoa(int(t.Options.MSS))
	}
	if t.Options.HasWindowScale {
		v[Field(topo.OptionWindowScale)] = strconv.Itoa(int(t.Options.WindowScale))
	}
	return v
}
