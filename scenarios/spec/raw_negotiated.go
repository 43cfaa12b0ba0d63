package spec

// rawNegotiated is what the ends of a connection are to agree on.
type rawNegotiated struct {
	mark
	MSS        *count `json:"mss" doc:"the smaller of the two maximum segment sizes that were announced"`
	WScale     *truth `json:"wscale" doc:"whether both ends scale their windows"`
	SACK       *truth `json:"sack" doc:"whether both ends permit selective acknowledgements"`
	Timestamps *truth `json:"timestamps" doc:"whether both ends send time stamps"`
	ECN        *truth `json:"ecn" doc:"whether they use explicit congestion notification"`
}

func (*rawNegotiated) noun() string { return "negotiated" }

func (b *builder) negotiated(r *rawNegotiated) *Negotiated {
	if r == nil {
		return nil
	}
	n := &Negotiated{MSS: counting(r.MSS), WScale: said(r.WScale), SACK: said(r.SACK), Timestamps: said(r.Timestamps), ECN: said(r.ECN)}
	if *n == (Negotiated{}) && !r.partial {
		b.add(r.mark, bad("negotiated says nothing").want("mss, wscale, sack, timestamps or ecn, such as {mss: 1460, sack: true}"))
	}
	return n
}
