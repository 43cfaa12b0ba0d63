package report

import (
	"net/netip"

	"testbed/observe"
	"testbed/scenarios/verdict"
)

// addNames adds how a name became a connection.
func (d *StepDocument) addNames(r *verdict.Result, s *verdict.StepResult) {
	o := s.Observation
	d.Name, d.ResolveTimeNS = o.Name, ns(o.ResolveTime)
	for _, q := range o.Queries {
		d.Queries = append(d.Queries, QueryDocument{
			AtNS: int64(q.At), ElapsedNS: int64(q.Elapsed), Type: string(q.Type), Server: q.Server.String(), Node: q.Node,
			TCP: q.TCP, Reply: q.Reply, Addresses: addressTexts(q.Addresses),
		})
	}
	for _, a := range o.Attempts {
		d.Attempts = append(d.Attempts, AttemptDocument{
			AtNS: int64(a.At), ElapsedNS: int64(a.Elapsed), To: a.To.String(), Node: a.Node, Local: addrPort(a.Local),
			Outcome: string(a.Outcome), Errno: a.Errno,
		})
	}
	d.Beside = journeyDocuments(r, s, o.Beside)
}

func dnsDocument(m *observe.DNS) *DNSDocument {
	return &DNSDocument{Name: m.Name, Type: m.Type, RCode: m.RCode, Truncated: m.Truncated, Addresses: addressTexts(m.Addresses)}
}

func addressTexts(all []netip.Addr) (texts []string) {
	for _, a := range all {
		texts = append(texts, a.String())
	}
	return texts
}
