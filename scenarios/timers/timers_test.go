package timers_test

import (
	"testing"
	"time"

	"testbed/scenarios/timers"
)

// settings are the kernel's defaults at 250 ticks a second, changed as told.
func settings(change map[string]int) timers.Settings {
	s := timers.Settings{HZ: 250, Sysctls: map[string]int{
		"net.ipv4.tcp_syn_retries": 6, "net.ipv4.tcp_syn_linear_timeouts": 4, "net.ipv4.tcp_synack_retries": 5,
		"net.ipv4.tcp_keepalive_time": 7200, "net.ipv4.tcp_keepalive_intvl": 75, "net.ipv4.tcp_keepalive_probes": 9,
		"net.ipv4.tcp_retries2": 15, "net.ipv4.tcp_early_retrans": 3, "net.ipv4.tcp_sack": 1, "net.ipv4.tcp_fin_timeout": 60,
	}}
	for name, v := range change {
		s.Sysctls["net.ipv4."+name] = v
		if v < 0 {
			delete(s.Sysctls, "net.ipv4."+name)
		}
	}
	return s
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// Measured are times that kernels of 250 ticks a second took, in seconds.
func TestEndOfAnAttempt(t *testing.T) {
	for _, c := range []struct {
		name      string
		change    map[string]int
		syns      int
		low, high float64
		measured  []float64
	}{
		{"Linux 6.1", map[string]int{"tcp_syn_linear_timeouts": -1}, 7, 129.16, 131.208, []float64{129.9}},
		{"Linux 6.12 and 6.18", nil, 11, 133.256, 135.304, []float64{133.9, 133.3}},
		{"linear timeouts off", map[string]int{"tcp_syn_linear_timeouts": 0}, 7, 129.16, 131.208, nil},
		{"two retries", map[string]int{"tcp_syn_retries": 2, "tcp_syn_linear_timeouts": 0}, 3, 7.048, 7.304, []float64{7.13}},
		{"two retries, ended by their time", map[string]int{"tcp_syn_retries": 2}, 6, 7.112, 7.144, []float64{7.13}},
		{"three retries", map[string]int{"tcp_syn_retries": 3, "tcp_syn_linear_timeouts": 0}, 4, 15.24, 15.496, []float64{15.4}},
		{"three retries and linear timeouts", map[string]int{"tcp_syn_retries": 3}, 8, 19.336, 19.592, []float64{19.4}},
		{"one retry", map[string]int{"tcp_syn_retries": 1, "tcp_syn_linear_timeouts": 0}, 2, 3.016, 3.048, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := settings(c.change).SYN()
			if err != nil {
				t.Fatal(err)
			}
			if got.End != (timers.Window{Low: seconds(c.low), High: seconds(c.high)}) {
				t.Errorf("ends at %v, expected %vs..%vs", got.End, c.low, c.high)
			}
			if len(got.Sent) != c.syns {
				t.Errorf("%d SYNs, expected %d", len(got.Sent), c.syns)
			}
			for _, m := range c.measured {
				if d := seconds(m); d < got.End.Low-50*time.Millisecond || d > got.End.High+50*time.Millisecond {
					t.Errorf("measured %vs is not within %v", m, got.End)
				}
			}
		})
	}
}

func TestWhenEachSYNLeaves(t *testing.T) {
	got, err := settings(nil).SYN()
	if err != nil {
		t.Fatal(err)
	}
	want := [][2]float64{{0, 0}, {1, 1.032}, {2.024, 2.056}, {3.048, 3.08}, {4.072, 4.104}, {5.096, 5.128},
		{7.112, 7.144}, {11.144, 11.4}, {19.336, 19.592}, {35.464, 35.72}, {67.72, 69.768}}
	holds(t, got.Sent, want)
	if want := "tcp_syn_retries 6, tcp_syn_linear_timeouts 4, HZ 250"; got.From != want {
		t.Errorf("computed from %q, expected %q", got.From, want)
	}
}

func TestSYNACK(t *testing.T) {
	got, err := settings(nil).SYNACK()
	if err != nil {
		t.Fatal(err)
	}
	holds(t, got.Sent, [][2]float64{{0, 0}, {1, 1.032}, {3.016, 3.048}, {7.048, 7.304}, {15.24, 15.496}, {31.368, 31.624}})
	holds(t, []timers.Window{got.End}, [][2]float64{{63.624, 65.672}})
	got, _ = settings(map[string]int{"tcp_synack_retries": 1}).SYNACK()
	holds(t, append(got.Sent, got.End), [][2]float64{{0, 0}, {1, 1.032}, {3.016, 3.048}})
}

// Two hours are rounded up by as much as 131 s, and each 75 s to 75.776 s.
func TestKeepalive(t *testing.T) {
	got, err := settings(nil).Keepalive()
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Sent) != 9 {
		t.Errorf("%d probes, expected 9", len(got.Sent))
	}
	holds(t, []timers.Window{got.Sent[0], got.Sent[1], got.End}, [][2]float64{{7200, 7331.072}, {7275, 7408.12}, {7881.208, 8014.328}})
}

// The last column is an ordinary connection's over a path of 40 ms; ip-sysctl.rst
// gives 924.6 s as the least.
func TestRetries2(t *testing.T) {
	for _, c := range []struct {
		retries   int
		rto, rtt  time.Duration
		low, high float64
	}{
		{15, 240 * time.Millisecond, 40 * time.Millisecond, 971.624, 973.672},
		{15, 400 * time.Millisecond, 200 * time.Millisecond, 934.768, 936.816},
		{3, 240 * time.Millisecond, 40 * time.Millisecond, 3.912, 3.944},
		{3, 201 * time.Millisecond, time.Millisecond, 6.616, 6.872},
	} {
		got, err := settings(map[string]int{"tcp_retries2": c.retries}).Retries2(timers.Estimate{RTO: c.rto, RTT: c.rtt})
		if err != nil {
			t.Fatal(err)
		}
		holds(t, []timers.Window{got.End}, [][2]float64{{c.low, c.high}})
	}
}

func TestRetries2WithoutLossProbe(t *testing.T) {
	e := timers.Estimate{RTO: 240 * time.Millisecond, RTT: 40 * time.Millisecond}
	with, _ := settings(nil).Retries2(e)
	for _, change := range []map[string]int{{"tcp_early_retrans": 0}, {"tcp_sack": 0}} {
		without, err := settings(change).Retries2(e)
		if err != nil {
			t.Fatal(err)
		}
		if by := with.End.Low - without.End.Low; by < 200*time.Millisecond || by > 300*time.Millisecond {
			t.Errorf("%v: the probe makes a difference of %v, expected about 240ms", change, by)
		}
	}
}

func TestEndsOfClosedConnections(t *testing.T) {
	s := settings(nil)
	got, err := s.TimeWait()
	if err != nil {
		t.Fatal(err)
	}
	holds(t, []timers.Window{got.End}, [][2]float64{{60, 62.048}})
	for _, c := range []struct {
		timeout   int
		low, high float64
	}{
		{2, 2, 2.032}, {60, 60, 62.048},
		// What goes beyond a minute passes twice.
		{61, 2.024, 2.056}, {63, 6.072, 6.328}, {120, 121.44, 123.488}, {180, 240.832, 242.88},
	} {
		got, err := settings(map[string]int{"tcp_fin_timeout": c.timeout}).FinWait2(200 * time.Millisecond)
		if err != nil {
			t.Fatal(err)
		}
		holds(t, []timers.Window{got.End}, [][2]float64{{c.low, c.high}})
	}
	got, _ = settings(map[string]int{"tcp_fin_timeout": 1}).FinWait2(2 * time.Second)
	if got.End.Low < 7*time.Second {
		t.Errorf("FIN-WAIT-2 ends after %v, expected 3.5 times the RTO of 2s at least", got.End.Low)
	}
}

func TestWhatIsNotKnown(t *testing.T) {
	for name, s := range map[string]timers.Settings{
		"net.ipv4.tcp_syn_retries is not known": settings(map[string]int{"tcp_syn_retries": -1}),
		"the kernel's tick is not known":        {Sysctls: settings(nil).Sysctls},
	} {
		if _, err := s.SYN(); err == nil || err.Error() != name {
			t.Errorf("got %v, expected %q", err, name)
		}
	}
	if _, err := settings(nil).Retries2(timers.Estimate{}); err == nil {
		t.Error("a retransmission timeout of zero was taken")
	}
}

// A connection's intervals never exceed tcp_rto_max_ms.
func TestLongestInterval(t *testing.T) {
	got, err := settings(map[string]int{"tcp_rto_max_ms": 2000, "tcp_syn_linear_timeouts": 0}).SYN()
	if err != nil {
		t.Fatal(err)
	}
	if got.End.High > 15*time.Second {
		t.Errorf("ends at %v, expected 1s and six times 2s", got.End)
	}
}

func holds(t *testing.T, got []timers.Window, want [][2]float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("got %v, expected %v", got, want)
	}
	for i, w := range want {
		if got[i] != (timers.Window{Low: seconds(w[0]), High: seconds(w[1])}) {
			t.Errorf("%d: got %v, expected %vs..%vs", i, got[i], w[0], w[1])
		}
	}
}
