package spec

import (
	"testing"
	"time"

	"testbed/topo"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "100ms": 100 * time.Millisecond, "1.5s": 1500 * time.Millisecond, "250us": 250 * time.Microsecond, "7µs": 7 * time.Microsecond,
		"1ns": 1, "2m": 2 * time.Minute, "24h": 24 * time.Hour, "0.1ms": 100 * time.Microsecond, "290.3ms": 290300 * time.Microsecond,
	} {
		if got, c := parseDuration(text); c != nil || got != want {
			t.Errorf("%s: got %s, %v", text, got, c)
		}
	}
	for _, text := range []string{"", "1", "ms", "-1s", "+1s", "1 s", "1e3s", "1.s", ".5s", "1..2s", "1m30s", "24.001h", "0x10s", "NaNs", "1S", "999999999999999999999999999999999s"} {
		if got, c := parseDuration(text); c == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestParseBound(t *testing.T) {
	ms := func(n float64, text string) Term { return Term{Value: n * 1e6, Text: text} }
	path := func(n float64, u Unit, text string) Term { return Term{Value: n, Unit: u, Text: text} }
	for text, want := range map[string]Duration{
		"300ms":        {Term: ms(300, "300ms")},
		"1.5 rtt":      {Term: path(1.5, RTT, "1.5 rtt")},
		"<= 300ms":     {Bound: AtMost, Term: ms(300, "300ms")},
		">=1 rtt":      {Bound: AtLeast, Term: path(1, RTT, "1 rtt")},
		"< 3 owd":      {Bound: Below, Term: path(3, OWD, "3 owd")},
		"> 0s":         {Bound: Above, Term: ms(0, "0s")},
		"290ms..310ms": {Bound: Within, Term: ms(290, "290ms"), Upper: ms(310, "310ms")},
		"1 rtt..400ms": {Bound: Within, Term: path(1, RTT, "1 rtt"), Upper: ms(400, "400ms")},
	} {
		want.Text = text
		if got, c := parseBound(text); c != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, c)
		}
	}
	for _, text := range []string{"", "300", "rtt", "3rtt", "-1 rtt", "2 rtt..1 rtt", "<= 1ms..2ms", "1ms..", "..", "== 1ms", "1e3 rtt", "1001 rtt"} {
		if got, c := parseBound(text); c == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestParseCount(t *testing.T) {
	for text, want := range map[string]Count{
		"0": {}, "3": {Value: 3}, ">= 2": {Bound: AtLeast, Value: 2}, "<5": {Bound: Below, Value: 5}, "2..4": {Bound: Within, Value: 2, Upper: 4},
	} {
		want.Text = text
		if got, c := parseCount(text); c != nil || got != want {
			t.Errorf("%s: got %+v, %v", text, got, c)
		}
	}
	for _, text := range []string{"", "-1", "1.5", "many", "4..2", "01", "1..", ">= -1", "9999999999"} {
		if got, c := parseCount(text); c == nil {
			t.Errorf("%q is %+v", text, got)
		}
	}
}

func TestParseFlags(t *testing.T) {
	for text, want := range map[string]topo.TCPFlags{
		"SYN": topo.SYN, "SYN-ACK": topo.SYN | topo.ACK, "ACK-SYN": topo.SYN | topo.ACK, "RST-ACK": topo.RST | topo.ACK,
	} {
		if got, c := parseFlags(text); c != nil || got != want {
			t.Errorf("%s: got %s, %v", text, got, c)
		}
	}
	for _, text := range []string{"", "syn", "SYN-SYN", "SYN-", "PSH", "SYN ACK"} {
		if got, c := parseFlags(text); c == nil {
			t.Errorf("%q is %s", text, got)
		}
	}
}

func TestNodeName(t *testing.T) {
	for name, ok := range map[string]bool{
		"client": true, "a": true, "web-1": true, "3com": true, "A": true,
		"": false, "-a": false, "a-": false, "a_b": false, "a.b": false, "12": false, "1-2": false, "ä": false, "Localhost": false, "blackhole": false,
	} {
		if c := nodeName(name); (c == nil) != ok {
			t.Errorf("%q: %v", name, c)
		}
	}
}

func TestNearest(t *testing.T) {
	for word, want := range map[string]string{"dealy": "delay", "DELAY": "delay", "jiter": "jitter", "lost": "loss", "protocol": "proto", "xyz": "", "": "", "at": ""} {
		if got := nearest(word, []string{"delay", "jitter", "loss", "proto"}); got != want {
			t.Errorf("%q is near %q, want %q", word, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	for pair, want := range map[[2]string]int{{"", ""}: 0, {"abc", "abc"}: 0, {"abc", "acb"}: 1, {"abc", "ab"}: 1, {"", "ab"}: 2, {"kitten", "sitting"}: 3} {
		if got := distance(pair[0], pair[1]); got != want {
			t.Errorf("%q: %d, want %d", pair, got, want)
		}
	}
}

// TestTargets reads each form of a connection's target.
func TestTargets(t *testing.T) {
	for text, want := range map[string]Connect{
		"b:80":               {Target: Target{"b", 80}, Family: IPv4},
		"192.0.2.1:65535":    {Target: Target{"192.0.2.1", 65535}, Family: IPv4},
		"[2001:db8:0::1]:80": {Target: Target{"2001:db8::1", 80}, Family: IPv6},
	} {
		sc := mustDecode(t, twoNodes+"  - {connect: \""+text+"\", from: a}\n")
		want.From = "a"
		if got := *sc.Steps[0].Connect; got != want {
			t.Errorf("%s: got %+v", text, got)
		}
	}
	for _, text := range []string{"b", "b:0", "b:65536", "b:http", ":80", "[b]:80", "2001:db8::1", "1.2.3:80", "[::ffff:1.2.3.4]:80", "[fe80::1%eth0]:80", "b:80:90", "b:-1"} {
		if _, err := Decode("a.yaml", []byte(twoNodes+"  - {connect: \""+text+"\", from: a}\n")); err == nil {
			t.Errorf("%q is a target", text)
		}
	}
}

func TestExecArguments(t *testing.T) {
	sc := mustDecode(t, twoNodes+"  - {exec: \"ls | wc\", from: a, env: {B: 2, A: x}}\n  - {exec: [echo, \"it's\", 1.50], from: a}\n")
	line, list := sc.Steps[0].Exec, sc.Steps[1].Exec
	if line.Args[0] != "sh" || line.Args[2] != "ls | wc" || line.Text != "ls | wc" || line.Env[0] != "A=x" || line.Env[1] != "B=2" {
		t.Errorf("got %+v", line)
	}
	if len(list.Args) != 3 || list.Args[2] != "1.50" || list.Text != `echo 'it'\''s' 1.50` {
		t.Errorf("got %+v", list)
	}
}
