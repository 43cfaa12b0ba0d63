package verdict

import (
	"testing"
	"time"

	"testbed/agents"
	"testbed/scenarios/spec"
)

// TestTolerance holds times at and just beyond both ends of the tolerance.
func TestTolerance(t *testing.T) {
	for _, c := range []struct {
		name      string
		tolerance *time.Duration
		got       time.Duration
		want      bool
	}{
		{"latest", nil, 209 * ms, true},
		{"too late", nil, 209*ms + 1, false},
		{"earliest", nil, 191 * ms, true},
		{"too early", nil, 191*ms - 1, false},
		{"latest of its own", ptr(time.Duration(3)), 200*ms + 3, true},
		{"too late for its own", ptr(time.Duration(3)), 200*ms + 4, false},
		{"exact", ptr(time.Duration(0)), 200 * ms, true},
		{"not exact", ptr(time.Duration(0)), 200*ms - 1, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := connected()
			o.ConnectTime = &c.got
			v := Judge(&spec.Step{Expect: &spec.Expect{
				Outcome: agents.Connected, ConnectTime: about("1 rtt", 1, spec.RTT), Tolerance: c.tolerance,
			}}, o)
			if v.OK != c.want {
				t.Errorf("%v: got %+v", c.got, v.Checks)
			}
		})
	}
}

// TestUnits resolves terms along a path whose directions differ.
func TestUnits(t *testing.T) {
	j := judge{o: &Observation{Path: Path{
		Nodes: []string{"a", "r", "b"},
		There: []time.Duration{20 * ms, 30 * ms}, Back: []time.Duration{5 * ms, 0},
	}}}
	for _, c := range []struct {
		term spec.Term
		want time.Duration
	}{
		{spec.Term{Value: 1, Unit: spec.OWD}, 50 * ms},
		{spec.Term{Value: 1, Unit: spec.RTT}, 55 * ms},
		{spec.Term{Value: 1.5, Unit: spec.OWD}, 75 * ms},
		{spec.Term{Value: 0.3, Unit: spec.RTT}, 16500 * time.Microsecond},
		{spec.Term{Value: 7e9}, 7 * time.Second},
	} {
		if got, err := j.resolve(c.term); err != nil || got != c.want {
			t.Errorf("%+v: got %v, %v, want %v", c.term, got, err, c.want)
		}
	}
}

func TestFormatDuration(t *testing.T) {
	for _, c := range []struct {
		d    time.Duration
		want string
	}{
		{0, "0s"},
		{400, "400ns"},
		{1500, "1.5µs"},
		{812 * time.Microsecond, "812µs"},
		{999_600, "1ms"},
		{1250 * time.Microsecond, "1.25ms"},
		{-9 * ms, "-9ms"},
		{50_160 * time.Microsecond, "50.2ms"},
		{200_400 * time.Microsecond, "200.4ms"},
		{999_960 * time.Microsecond, "1s"},
		{1020 * ms, "1.02s"},
		{7132 * ms, "7.132s"},
		{15_432 * ms, "15.43s"},
		{133_312 * ms, "133.3s"},
		{time.Hour + 2*time.Minute + 3400*ms, "1h2m3s"},
	} {
		if got := FormatDuration(c.d); got != c.want {
			t.Errorf("%d ns: got %s, want %s", c.d, got, c.want)
		}
	}
}
