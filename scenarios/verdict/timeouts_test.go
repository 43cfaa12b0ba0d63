package verdict

import (
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/timers"
	"testbed/topo"
)

// settings are those of a kernel of 250 ticks a second that waits little.
func settings() *timers.Settings {
	return &timers.Settings{HZ: 250, Sysctls: map[string]int{
		"net.ipv4.tcp_syn_retries": 2, "net.ipv4.tcp_synack_retries": 1, "net.ipv4.tcp_keepalive_time": 2,
		"net.ipv4.tcp_keepalive_intvl": 1, "net.ipv4.tcp_keepalive_probes": 2, "net.ipv4.tcp_retries2": 3,
		"net.ipv4.tcp_early_retrans": 3, "net.ipv4.tcp_sack": 1, "net.ipv4.tcp_fin_timeout": 2,
	}}
}

func word(b spec.Bound, u spec.Unit) *spec.Duration {
	text := string(u)
	if b != spec.About {
		text = string(b) + " " + text
	}
	return &spec.Duration{Bound: b, Text: text, Term: spec.Term{Value: 1, Unit: u, Text: string(u)}}
}

// gaveUp is an attempt of three SYNs that ended after so long.
func gaveUp(elapsed time.Duration) *Observation {
	o := dropped()
	o.Began, o.Elapsed, o.ClientTimers = epoch, elapsed, settings()
	o.Journeys[2].Sightings[0].Time = epoch.Add(3040 * ms)
	return o
}

// hushed is a connection that the client heard from last so long before the step.
func hushed(before, elapsed time.Duration) *Observation {
	return &Observation{
		Kind: Await, From: "client", Target: "server", Outcome: agents.TimedOut, Errno: "ETIMEDOUT",
		Began: epoch, Elapsed: elapsed, Local: client, Remote: server, ClientTimers: settings(),
		Earlier: []observe.Journey{
			sent(-before-300*ms, client, server, topo.SYN, 100, 0),
			sent(-before-100*ms, server, client, topo.SYN|topo.ACK, 500, 0), // arrives 100 ms later
			sent(-before, client, server, topo.ACK, 101, 0),
		},
	}
}

// unheard is an exchange whose data nothing acknowledged, sent so long into the
// step, or before it.
func unheard(at, elapsed time.Duration) *Observation {
	o := hushed(2*time.Second, elapsed)
	o.Kind = Exchange
	o.Estimate = timers.Estimate{RTO: 240 * ms, RTT: 40 * ms}
	o.Earlier = append(o.Earlier, sent(-1900*ms, client, server, topo.ACK|topo.PSH, 101, 5))
	ack := sent(-1800*ms, server, client, topo.ACK, 501, 0)
	ack.Packet().TCP.Ack = 106
	o.Earlier = append(o.Earlier, ack)
	data := sent(at, client, server, topo.ACK|topo.PSH, 106, 5)
	o.Journeys = []observe.Journey{data, again(sent(at+248*ms, client, server, topo.ACK|topo.PSH, 106, 5))}
	return o
}

func TestTimeoutsOfTheKernel(t *testing.T) {
	closed := func(d time.Duration, server bool) *Observation {
		return &Observation{Kind: Close, From: "client", Target: "server", Resolution: ms, ClientTimers: settings(),
			ServerTimers: settings(), TimeWait: &Lasted{d, server}, FinWait2: &Lasted{d, server}}
	}
	for _, c := range []struct {
		name     string
		obs      *Observation
		expect   *spec.Expect
		ok       bool
		expected string
		has      string // in from, or in the note of a violated check
	}{
		{"in its window", gaveUp(7130 * ms), &spec.Expect{Elapsed: word(spec.About, spec.SynTimeout)}, true,
			"syn_timeout = 7.048s..7.304s", "client's tcp_syn_retries 2, HZ 250"},
		{"late", gaveUp(7310 * ms), &spec.Expect{Elapsed: word(spec.About, spec.SynTimeout)}, false,
			"syn_timeout = 7.048s..7.304s", "±5ms, observed 7.31s: late by 6ms"},
		{"early", gaveUp(7042 * ms), &spec.Expect{Elapsed: word(spec.About, spec.SynTimeout)}, false,
			"syn_timeout = 7.048s..7.304s", "early by 6ms"},
		{"late within the step's tolerance", gaveUp(8 * time.Second), &spec.Expect{Elapsed: word(spec.About, spec.SynTimeout), Tolerance: ptr(time.Second)}, true,
			"syn_timeout = 7.048s..7.304s", ""},
		{"at most its end", gaveUp(7304 * ms), &spec.Expect{Elapsed: word(spec.AtMost, spec.SynTimeout)}, true, "<= syn_timeout = 7.048s..7.304s", ""},
		{"beyond its end", gaveUp(7305 * ms), &spec.Expect{Elapsed: word(spec.AtMost, spec.SynTimeout)}, false, "<= syn_timeout = 7.048s..7.304s", "late by 1ms"},
		{"at least its beginning", gaveUp(7048 * ms), &spec.Expect{Elapsed: word(spec.AtLeast, spec.SynTimeout)}, true, ">= syn_timeout = 7.048s..7.304s", ""},
		{"before its beginning", gaveUp(7047 * ms), &spec.Expect{Elapsed: word(spec.AtLeast, spec.SynTimeout)}, false, ">= syn_timeout = 7.048s..7.304s", "early by 1ms"},
		{"nothing known", dropped(), &spec.Expect{Elapsed: word(spec.About, spec.SynTimeout)}, false, "syn_timeout", "the settings of its node are not known"},

		{"from the last segment heard", hushed(500*ms, 3550*ms), &spec.Expect{Elapsed: word(spec.About, spec.KeepaliveTimeout)}, true,
			"keepalive_timeout = 3.524s..3.588s", "the last segment that the client received, 500ms before the step"},
		{"as if from the step", hushed(500*ms, 4*time.Second), &spec.Expect{Elapsed: word(spec.About, spec.KeepaliveTimeout)}, false,
			"keepalive_timeout = 3.524s..3.588s", "late by"},
		{"data in the step", unheard(0, 3930*ms), &spec.Expect{Elapsed: word(spec.About, spec.Retries2Timeout)}, true,
			"retries2_timeout = 3.912s..3.944s", "tcp_retries2 3, RTO 240ms, HZ 250"},
		{"data before the step", unheard(-1500*ms, 2430*ms), &spec.Expect{Elapsed: word(spec.About, spec.Retries2Timeout)}, true,
			"retries2_timeout = 2.412s..2.444s", "the first transmission, 1.5s before the step"},
		{"TIME-WAIT of the client", closed(61*time.Second, false), &spec.Expect{TimeWait: word(spec.About, spec.TimeWaitTimeout)}, true,
			"time_wait_timeout = 60s..62.05s", "client's TCP_TIMEWAIT_LEN 60s, HZ 250"},
		{"TIME-WAIT of the server", closed(59*time.Second, true), &spec.Expect{TimeWait: word(spec.About, spec.TimeWaitTimeout)}, false,
			"time_wait_timeout = 60s..62.05s", "early by 1s"},
		{"FIN-WAIT-2, looked at every millisecond", closed(2037*ms, true), &spec.Expect{FinWait2: word(spec.About, spec.FinTimeout)}, true,
			"fin_timeout = 2s..2.033s", "server's tcp_fin_timeout 2, HZ 250"},
		{"no TIME-WAIT seen", &Observation{Kind: Close, From: "client", ClientTimers: settings()}, &spec.Expect{TimeWait: word(spec.About, spec.TimeWaitTimeout)}, false,
			"time_wait_timeout = 60s..62.05s", "until: {client: CLOSED} watches it"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Judge(&spec.Step{Expect: c.expect}, c.obs)
			check := v.Checks[len(v.Checks)-1]
			if check.OK != c.ok || check.Expected != c.expected {
				t.Errorf("%+v, expected ok %v and %q", check, c.ok, c.expected)
			}
			where := check.From
			if !c.ok {
				where = check.Note
			}
			if !strings.Contains(where, c.has) {
				t.Errorf("%q does not tell %q", where, c.has)
			}
		})
	}
}

func TestTimesOfTheKernelsSchedule(t *testing.T) {
	schedule := []spec.Term{{Value: 1, Unit: spec.KernelSchedule, Text: "schedule"}}
	synAcks := func(after ...time.Duration) *Observation {
		o := hushed(0, 4*time.Second)
		o.Outcome, o.Errno, o.Deadline, o.ServerTimers = agents.TimedOut, "", true, settings()
		for _, at := range after {
			o.Journeys = append(o.Journeys, again(sent(at-100*ms, server, client, topo.SYN|topo.ACK, 500, 0)))
		}
		return o
	}
	late := gaveUp(7130 * ms)
	late.Journeys[1].Sightings[0].Time = epoch.Add(1040 * ms)
	for _, c := range []struct {
		name   string
		obs    *Observation
		expect *spec.Expect
		ok     bool
		note   string
	}{
		{"SYNs", gaveUp(7130 * ms), &spec.Expect{SynTimes: schedule}, true, ""},
		{"a SYN late", late, &spec.Expect{SynTimes: schedule}, false, "expected SYN 2 at 1s..1.032s ±5ms, observed 1.04s: late by 8ms"},
		{"SYN-ACKs, the first before the step", synAcks(1020 * ms), &spec.Expect{SynAckTimes: schedule}, true, ""},
		{"a SYN-ACK too many", synAcks(1020*ms, 3020*ms), &spec.Expect{SynAckTimes: schedule}, false, "expected 2 SYN-ACKs, observed 3"},
		{"SYN-ACKs by number", synAcks(1020*ms, 3020*ms), &spec.Expect{SynAckTimes: []spec.Term{{}, {Value: 1e9}, {Value: 3e9}}}, true, ""},
		{"settings not known", dropped(), &spec.Expect{SynTimes: schedule}, false, "the settings of its node are not"},
	} {
		t.Run(c.name, func(t *testing.T) {
			v := Judge(&spec.Step{Expect: c.expect}, c.obs)
			check := v.Checks[len(v.Checks)-1]
			if check.OK != c.ok || !strings.Contains(check.Note, c.note) {
				t.Errorf("%+v, expected ok %v and %q", check, c.ok, c.note)
			}
		})
	}
}
