package spec

import (
	"testbed/netem"
	"testbed/topo"
)

// apply sets what a declaration names in one direction, each key as a whole, but
// for the keys whose meaning differs between a link and its directions.
func apply(i *netem.Impairment, r *rawImpairment) {
	if r.Delay != nil {
		i.Delay = r.Delay.V
	}
	if r.Jitter != nil {
		spread(i, r.Jitter)
	}
	if r.Loss != nil {
		i.Loss, i.LossCorrelation, i.Bursts = share(r.Loss.Random), share(r.Loss.Correlation), bursts(r.Loss.Bursts)
	}
	if r.Duplicate != nil {
		i.Duplicate = r.Duplicate.V
	}
	if r.Reorder != nil {
		i.Reorder = r.Reorder.V
	}
	if r.Corrupt != nil {
		i.Corrupt = r.Corrupt.V
	}
	if r.Rate != nil {
		i.Rate = r.Rate.V
	}
	if r.Queue != nil {
		i.Queue = length(r.Queue)
	}
}

// share is a percentage, and none where it is absent.
func share(p *percent) float64 {
	if p == nil {
		return 0
	}
	return p.V
}

func spread(i *netem.Impairment, r *rawJitter) {
	i.Jitter, i.Distribution, i.JitterCorrelation = 0, "", share(r.Correlation)
	if r.Spread != nil {
		i.Jitter = r.Spread.V
	}
	if r.Distribution != nil {
		i.Distribution = r.Distribution.V
	}
}

// bursts are the loss model that is written, with tc-netem(8)'s defaults for
// the share of frames that is lost in either state.
func bursts(r *rawBursts) netem.GilbertElliott {
	if r == nil {
		return netem.GilbertElliott{}
	}
	g := netem.GilbertElliott{ToBad: share(r.ToBad), ToGood: share(r.ToGood), LossBad: 1, LossGood: share(r.InGood)}
	if r.InBad != nil {
		g.LossBad = r.InBad.V
	}
	return g
}

func length(r *rawQueue) (q netem.Queue) {
	if r.Packets != nil {
		q.Frames = r.Packets.V
	}
	if r.Bytes != nil {
		q.Bytes = r.Bytes.V
	}
	return q
}

// conflict is what the keys of one direction cannot be together.
type conflict struct {
	found func(netem.Impairment) bool
	// at is where the key stands that is to blame, the zero mark if none of those
	// that cause it is written.
	at  func(*rawImpairment) mark
	say func(i netem.Impairment, to string) *complaint
}

var conflicts = []conflict{
	{
		func(i netem.Impairment) bool { return i.Jitter > i.Delay },
		func(r *rawImpairment) mark {
			if r.Jitter != nil {
				return r.Jitter.mark
			}
			return r.delayed()
		},
		func(i netem.Impairment, to string) *complaint {
			return bad("the jitter of %s toward %q is more than the delay of %s", i.Jitter, to, i.Delay).want("a jitter from 0s to the delay")
		},
	},
	{
		func(i netem.Impairment) bool { return i.Reorder > 0 && i.Delay == 0 },
		func(r *rawImpairment) mark {
			if r.Reorder != nil {
				return r.Reorder.mark
			}
			return r.delayed()
		},
		func(_ netem.Impairment, to string) *complaint {
			return bad("reorder toward %q without a delay: no frame is on its way to be overtaken", to).want("a delay beside reorder, such as delay: 10ms; or reorder: 0%")
		},
	},
	{
		func(i netem.Impairment) bool { return i.Queue != netem.Queue{} && i.Rate == 0 },
		func(r *rawImpairment) mark {
			switch {
			case r.Queue != nil:
				return r.Queue.mark
			case r.Rate != nil:
				return r.Rate.mark
			}
			return mark{}
		},
		func(_ netem.Impairment, to string) *complaint {
			return bad("a queue toward %q without a rate: nothing waits there", to).want("a rate beside queue, such as rate: 10mbit; or queue: unlimited")
		},
	},
}

// delayed is where a delay stands.
func (r *rawImpairment) delayed() mark {
	if r.Delay != nil {
		return r.Delay.mark
	}
	return mark{}
}

// compatible notes each conflict in a link's directions once, at the last key
// that causes it.
func (b *builder) compatible(l *topo.Link, both *rawImpairment, toward *entries[rawDirection]) {
	for _, c := range conflicts {
		for side, i := range l.Toward {
			if !c.found(i) {
				continue
			}
			at := c.at(both)
			for _, e := range toward.list {
				if e.value != nil && e.key == l.Ends[side] {
					if own := c.at(&e.value.rawImpairment); own.line != 0 {
						at = own
					}
				}
			}
			if at.line != 0 {
				b.add(at, c.say(i, l.Ends[side]))
				break
			}
		}
	}
}
