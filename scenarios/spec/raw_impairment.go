package spec

import (
	"reflect"

	"github.com/goccy/go-yaml/ast"
)

// rawImpairment are the keys that a link, one direction of it and a change of
// it have in common.
type rawImpairment struct {
	Delay     *duration  `json:"delay" doc:"how long each frame is on its way, one way"`
	Jitter    *rawJitter `json:"jitter" doc:"the spread around the delay, at most the delay: a duration, or a map with spread, distribution and correlation"`
	Loss      *rawLoss   `json:"loss" doc:"the frames that are lost: a share at random, or a map with random and correlation, or with bursts"`
	Duplicate *percent   `json:"duplicate" doc:"the share of frames that arrive twice"`
	Reorder   *percent   `json:"reorder" doc:"the share of frames that overtake those on their way: they arrive at once. Needs a delay"`
	Corrupt   *percent   `json:"corrupt" doc:"the share of frames in which one bit is flipped"`
	Faults    *rawFaults `json:"faults" doc:"what befalls single packets, such as [{match: {flags: SYN-ACK, nth: 2}, do: drop}]"`
	Rate      *bandwidth `json:"rate" doc:"how many bits cross in a second, such as 10mbit; default and unlimited: no limit"`
	Queue     *rawQueue  `json:"queue" doc:"what may wait for its turn at the rate, such as 100packets or 64KiB, or a map with both; what finds it full is dropped. Needs a rate; default and unlimited: no bound"`
	MTU       *mtu       `json:"mtu" doc:"bytes: of the interfaces at both ends; under toward, the largest packet that this direction carries, larger ones vanish"`
	Up        *truth     `json:"up" doc:"false takes the link down; under toward, this direction alone carries nothing"`
}

// rawJitter is a duration, or a map.
type rawJitter struct {
	mark
	Spread       *duration     `json:"spread" jsonschema:"required" doc:"how far a delay is from the link's: at most, if uniform, else the standard deviation"`
	Distribution *distribution `json:"distribution" doc:"uniform, normal, pareto or paretonormal; default uniform"`
	Correlation  *percent      `json:"correlation" doc:"how much a frame's jitter depends on that of the one before; default 0%"`
}

func (*rawJitter) noun() string { return "a jitter" }

func (j *rawJitter) read(d *decoder, key string, n ast.Node) bool {
	if _, ok := mapping(n); ok {
		return d.structure(key, n, reflect.ValueOf(j).Elem())
	}
	j.set(d.place(n))
	j.Spread = new(duration)
	return d.leaf(key, n, j.Spread)
}

// rawLoss is a share, or a map with a share or with bursts.
type rawLoss struct {
	mark
	Random      *percent   `json:"random" doc:"the share of frames that are lost, each by itself"`
	Correlation *percent   `json:"correlation" doc:"how much the loss of a frame depends on that of the one before, less than 100%; default 0%"`
	Bursts      *rawBursts `json:"bursts" doc:"loses frames in bursts, in place of random: the Gilbert-Elliott model"`
}

func (*rawLoss) noun() string { return "a loss" }

func (l *rawLoss) read(d *decoder, key string, n ast.Node) bool {
	if _, ok := mapping(n); !ok {
		l.set(d.place(n))
		l.Random = new(percent)
		return d.leaf(key, n, l.Random)
	}
	if !d.structure(key, n, reflect.ValueOf(l).Elem()) {
		return false
	}
	if share(l.Correlation) == 1 {
		d.add(l.Correlation.mark, bad("correlation: 100%% leaves nothing to chance: every frame would fare as the first").want("0% to less than 100%, such as 25%"))
	}
	switch {
	case l.Bursts != nil && l.Random != nil:
		d.add(l.Bursts.mark, bad("loss has both random and bursts").want("one of them; in_good is the random loss between bursts"))
	case l.Bursts != nil && l.Correlation != nil:
		d.add(l.Correlation.mark, bad("correlation beside bursts: the two states already make a loss depend on the one before").want("correlation beside random, or bursts alone"))
	case l.partial || l.Bursts != nil || l.Random != nil:
	default:
		d.add(l.mark, bad("loss says neither random nor bursts").want("1%, {random: 1%, correlation: 25%} or {bursts: {to_bad: 1%, to_good: 25%}}"))
	}
	return true
}

// rawBursts has the parameters of tc-netem(8)'s gemodel.
type rawBursts struct {
	mark
	ToBad  *percent `json:"to_bad" jsonschema:"required" doc:"how likely a frame in the good state begins a burst (gemodel's p)"`
	ToGood *percent `json:"to_good" jsonschema:"required" doc:"how likely a frame in the bad state ends the burst (gemodel's r)"`
	InBad  *percent `json:"in_bad" doc:"the share of frames that are lost in the bad state (gemodel's 1-h); default 100%"`
	InGood *percent `json:"in_good" doc:"the share of frames that are lost in the good state (gemodel's 1-k); default 0%"`
}

func (*rawBursts) noun() string { return "bursts" }

// rawQueue is a number of packets or of bytes, or a map with both.
type rawQueue struct {
	mark
	Packets *natural   `json:"packets" doc:"how many frames wait at most, such as 100"`
	Bytes   *byteCount `json:"bytes" doc:"how many bytes of frames wait at most, such as 64KiB"`
}

func (*rawQueue) noun() string { return "a queue" }

func (q *rawQueue) read(d *decoder, key string, n ast.Node) bool {
	if _, ok := mapping(n); ok {
		if !d.structure(key, n, reflect.ValueOf(q).Elem()) {
			return false
		}
		if q.Packets == nil && q.Bytes == nil && !q.partial {
			d.add(q.mark, bad("queue says neither packets nor bytes").want("{packets: 100, bytes: 64KiB}, one or both"))
		}
		return true
	}
	var one queueLength
	if !d.leaf(key, n, &one) {
		return false
	}
	q.set(one.mark)
	if one.V.Frames > 0 {
		q.Packets = &natural{value[int]{one.mark, one.V.Frames}}
	}
	if one.V.Bytes > 0 {
		q.Bytes = &byteCount{value[int]{one.mark, one.V.Bytes}}
	}
	return true
}
