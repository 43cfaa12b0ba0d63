package verdict

import (
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/scenarios/spec"
)

// moved is a transfer of 1 MiB in a second.
func moved() *Observation {
	return &Observation{
		Kind: Transferring, Outcome: agents.Transferred, Elapsed: time.Second,
		Transfer: &Transfer{
			Wanted: 1 << 20, Bytes: 1 << 20, Segments: 725, Resent: 9,
			Sender: &Sender{Retransmissions: 4, RTT: 80 * ms, MinRTT: 40 * ms}, Stall: &Stall{Duration: 120 * ms},
		},
	}
}

func quantityOf(b spec.Bound, value, upper uint64) *spec.Quantity {
	return &spec.Quantity{Bound: b, Value: value, Upper: upper, Text: "x"}
}

func TestTransfer(t *testing.T) {
	short := moved()
	short.Outcome, short.Transfer.Bytes, short.Deadline = agents.TimedOut, 1<<19, true
	blind := moved()
	blind.Transfer.Sender, blind.Transfer.Stall = nil, nil
	for _, c := range []struct {
		name   string
		obs    *Observation
		expect spec.Expect
		want   string
	}{
		{"transferred", moved(), spec.Expect{}, "outcome ok"},
		{"not complete", short, spec.Expect{}, "outcome violated"},
		{"as expected", short, spec.Expect{Outcome: agents.TimedOut, Bytes: quantityOf(spec.About, 1<<19, 0)}, "outcome ok, bytes ok"},
		{"bytes", moved(), spec.Expect{Bytes: quantityOf(spec.Above, 1<<20, 0)}, "outcome ok, bytes violated"},
		{"fast enough", moved(), spec.Expect{Throughput: quantityOf(spec.AtLeast, 8_388_608, 0)}, "outcome ok, throughput ok"},
		{"too slow", moved(), spec.Expect{Throughput: quantityOf(spec.AtLeast, 8_388_609, 0)}, "outcome ok, throughput violated"},
		{"too fast", moved(), spec.Expect{Throughput: quantityOf(spec.Below, 8_388_608, 0)}, "outcome ok, throughput violated"},
		{"at most", moved(), spec.Expect{Throughput: quantityOf(spec.AtMost, 8_388_608, 0)}, "outcome ok, throughput ok"},
		{"within", moved(), spec.Expect{Throughput: quantityOf(spec.Within, 8_000_000, 8_400_000)}, "outcome ok, throughput ok"},
		{"stalled", moved(), spec.Expect{Stalled: bound(spec.AtMost, "", float64(100*ms), "")}, "outcome ok, stalled violated"},
		{"the sender's account of retransmissions", moved(), spec.Expect{Retransmissions: &spec.Count{Value: 4}}, "outcome ok, retransmissions ok"},
		{"without it the packets tell", blind, spec.Expect{Retransmissions: &spec.Count{Value: 9}}, "outcome ok, retransmissions ok"},
		{"rtt", moved(), spec.Expect{RTT: bound(spec.AtLeast, "", float64(81*ms), "")}, "outcome ok, rtt violated"},
		{"not observed", blind, spec.Expect{RTT: bound(spec.AtLeast, "", 0, ""), Stalled: bound(spec.AtLeast, "", 0, "")}, "outcome ok, stalled violated, rtt violated"},
		{"never open", &Observation{Kind: Transferring, Outcome: agents.Failed}, spec.Expect{Bytes: quantityOf(spec.AtLeast, 1, 0)}, "outcome violated, bytes violated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := told(Judge(&spec.Step{Transfer: &spec.Transfer{Send: 1 << 20}, Expect: &c.expect}, c.obs)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestFormatQuantities(t *testing.T) {
	got := []string{FormatRate(0), FormatRate(999), FormatRate(9_430_000), FormatRate(94_340_000), FormatRate(2_000_000_000),
		FormatSize(17), FormatSize(1536), FormatSize(1 << 20), FormatSize(10<<20 + 1<<19), FormatSize(3 << 30)}
	const want = "0bit 999bit 9.43mbit 94.3mbit 2gbit 17B 1.5KiB 1MiB 10.5MiB 3GiB"
	if s := strings.Join(got, " "); s != want {
		t.Errorf("got %s, want %s", s, want)
	}
}
