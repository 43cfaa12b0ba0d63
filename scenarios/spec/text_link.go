package spec

import (
	"fmt"
	"strconv"
	"strings"
)

// linkText says a change of a link in words.
func linkText(ends [2]string, r *rawSetLink) string {
	changes := impairmentText(&r.rawImpairment)
	for _, e := range r.Toward.list {
		if e.value != nil {
			for _, c := range impairmentText(&e.value.rawImpairment) {
				changes = append(changes, c+" toward "+e.key)
			}
		}
	}
	return fmt.Sprintf("link %s – %s: %s", ends[0], ends[1], strings.Join(changes, ", "))
}

func impairmentText(r *rawImpairment) (parts []string) {
	add := func(there bool, key string, text func() string) {
		if there {
			parts = append(parts, key+" "+text())
		}
	}
	if r.Up != nil && r.Up.V {
		parts = append(parts, "up")
	} else if r.Up != nil {
		parts = append(parts, "down")
	}
	add(r.Delay != nil, "delay", func() string { return r.Delay.V.String() })
	add(r.Jitter != nil, "jitter", func() string { return jitterText(r.Jitter) })
	add(r.Loss != nil, "loss", func() string { return lossText(r.Loss) })
	add(r.Duplicate != nil, "duplicate", func() string { return percentText(r.Duplicate) })
	add(r.Reorder != nil, "reorder", func() string { return percentText(r.Reorder) })
	add(r.Corrupt != nil, "corrupt", func() string { return percentText(r.Corrupt) })
	add(r.Faults != nil, "faults", func() string { return faultsText(r.Faults) })
	add(r.Rate != nil, "rate", func() string { return rateText(r.Rate.V) })
	add(r.Queue != nil, "queue", func() string { return queueText(r.Queue) })
	add(r.MTU != nil, "mtu", func() string { return strconv.Itoa(r.MTU.V) })
	return parts
}

func faultsText(r *rawFaults) string {
	var names []string
	for i, f := range r.list {
		name := fmt.Sprintf("fault-%d", i+1)
		if f.Name != nil {
			name = f.Name.V
		}
		if f.Do != nil {
			name += " (" + string(f.Do.V) + ")"
		}
		names = append(names, name)
	}
	if names == nil {
		return none
	}
	return strings.Join(names, ", ")
}

func percentText(p *percent) string { return fmt.Sprintf("%.10g%%", share(p)*100) }

func jitterText(r *rawJitter) (s string) {
	if r.Spread != nil {
		s = r.Spread.V.String()
	}
	if r.Distribution != nil {
		s += " " + string(r.Distribution.V)
	}
	return s + correlationText(r.Correlation)
}

func correlationText(p *percent) string {
	if share(p) == 0 {
		return ""
	}
	return " correlated by " + percentText(p)
}

func lossText(r *rawLoss) string {
	if r.Bursts == nil {
		return percentText(r.Random) + correlationText(r.Correlation)
	}
	g := bursts(r.Bursts)
	p := func(x float64) string { return fmt.Sprintf("%.10g%%", x*100) }
	s := fmt.Sprintf("in bursts (to bad %s, to good %s, in bad %s", p(g.ToBad), p(g.ToGood), p(g.LossBad))
	if g.LossGood > 0 {
		s += ", in good " + p(g.LossGood)
	}
	return s + ")"
}

// rateText is a rate in the largest unit of thousands that leaves it whole.
func rateText(bits uint64) string {
	if bits == 0 {
		return unlimited
	}
	units := []string{"bit", "kbit", "mbit", "gbit", "tbit"}
	i := 0
	for ; i+1 < len(units) && bits%1000 == 0; i++ {
		bits /= 1000
	}
	return strconv.FormatUint(bits, 10) + units[i]
}

func queueText(r *rawQueue) string {
	var parts []string
	if r.Packets != nil {
		parts = append(parts, plural(r.Packets.V, "packet"))
	}
	if r.Bytes != nil {
		parts = append(parts, sizeText(r.Bytes.V))
	}
	if len(parts) == 0 {
		return unlimited
	}
	return strings.Join(parts, " and ")
}

// sizeText is a number of bytes in the largest unit that leaves it whole.
func sizeText(bytes int) string {
	units := []string{"B", "KiB", "MiB"}
	i := 0
	for ; i+1 < len(units) && bytes%1024 == 0; i++ {
		bytes /= 1024
	}
	return strconv.Itoa(bytes) + units[i]
}
