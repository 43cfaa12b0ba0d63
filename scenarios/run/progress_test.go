package run

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"testbed/observe"
	"testbed/scenarios/verdict"
)

var start = time.Unix(1000, 0)

// after is a moment, 0 for one that never comes.
func after(milliseconds int) time.Time {
	if milliseconds == 0 {
		return time.Time{}
	}
	return start.Add(time.Duration(milliseconds) * time.Millisecond)
}

// data is a segment that left and arrived after so many milliseconds.
func data(from, to int64, sent, arrived int) stretch {
	j := &observe.Journey{Fate: observe.Fate{Delivered: arrived != 0}}
	if arrived == 0 {
		j.Fate.Drop = observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "r"}
	}
	return stretch{from: from, to: to, sent: after(sent), arrived: after(arrived), journey: j}
}

func TestStall(t *testing.T) {
	const ms = time.Millisecond
	drop := observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "r"}
	for _, c := range []struct {
		name       string
		segments   []stretch
		acks       []acknowledgement
		unfinished bool
		want       *verdict.Stall
	}{
		{"nothing arrived", []stretch{data(0, 10, 1, 0)}, nil, true, nil},
		{"the longest gap", []stretch{data(0, 10, 1, 11), data(10, 20, 2, 12), data(20, 30, 40, 50)}, nil, false,
			&verdict.Stall{Duration: 38 * ms, At: 12 * ms, Offset: 20, Ended: true}},
		{"a segment lost twice, with later ones there", []stretch{data(0, 10, 1, 11), data(10, 20, 2, 0), data(20, 30, 3, 13), data(10, 20, 30, 0), data(10, 20, 90, 100), data(30, 40, 91, 101)}, nil, false,
			&verdict.Stall{Duration: 89 * ms, At: 11 * ms, Offset: 10, Ended: true, Lost: 2, Drop: drop}},
		{"what had arrived early counts when it can be read", []stretch{data(0, 10, 1, 11), data(20, 30, 3, 13), data(10, 20, 30, 40), data(30, 40, 80, 90)}, nil, false,
			&verdict.Stall{Duration: 50 * ms, At: 40 * ms, Offset: 30, Ended: true}},
		{"a copy brings nothing new", []stretch{data(0, 10, 1, 11), data(0, 10, 20, 30), data(10, 20, 40, 50)}, nil, false,
			&verdict.Stall{Duration: 39 * ms, At: 11 * ms, Offset: 10, Ended: true}},
		{"to the end", []stretch{data(0, 10, 1, 11), data(10, 20, 2, 0)}, nil, true,
			&verdict.Stall{Duration: 989 * ms, At: 11 * ms, Offset: 10, Lost: 1, Drop: drop}},
		{"a closed window", []stretch{data(0, 10, 1, 11)}, []acknowledgement{{after(21), 10, 100}, {after(22), 10, 0}}, true,
			&verdict.Stall{Duration: 989 * ms, At: 11 * ms, Offset: 10, ZeroWindow: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := progress{segments: c.segments, acks: c.acks}
			got := p.stall(start, after(1000), c.unfinished)
			if (got == nil) != (c.want == nil) || got != nil && *got != *c.want {
				t.Errorf("%+v, expected %+v", got, c.want)
			}
		})
	}
}

func TestWhatIsKeptOfManyPackets(t *testing.T) {
	all := make([]observe.Journey, 1000)
	for i := range all {
		if all[i].Fate.Delivered = i%100 != 50; !all[i].Fate.Delivered {
			all[i].Fate.Drop.Node = fmt.Sprint("fw", i/900)
		}
		all[i].Retransmission = i >= 600 && i < 800
	}
	kept, omitted := telling(all)
	lost := 0
	for i := range kept {
		if !kept[i].Fate.Delivered {
			lost++
		}
	}
	if len(kept) != 2*keptEnds+keptEvents {
		t.Errorf("%d are kept, %d of them lost", len(kept), lost)
	}
	want := []verdict.Lost{{Drop: observe.Drop{Node: "fw0"}, Packets: 2}, {Drop: observe.Drop{Node: "fw1"}, Packets: 1}}
	if !slices.Equal(omitted, want) || lost != 7 {
		t.Errorf("%d lost are kept, and of the others %v are, want %v", lost, omitted, want)
	}
	if few, omitted := telling(all[:5]); len(few) != 5 || omitted != nil {
		t.Errorf("%d of 5 are kept", len(few))
	}
}
