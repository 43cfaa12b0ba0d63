package spec

import (
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios"
	"testbed/topo"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// library decodes a scenario of the library.
func library(t *testing.T, name string) *Scenario {
	t.Helper()
	src, err := scenarios.Library.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return mustDecode(t, string(src))
}

func mustDecode(t *testing.T, src string) *Scenario {
	t.Helper()
	sc, err := Decode("test.yaml", []byte(src))
	if err != nil {
		t.Fatal(err)
	}
	return sc
}

func both(i netem.Impairment) [2]netem.Impairment { return [2]netem.Impairment{i, i} }

func delays(d time.Duration) [2]netem.Impairment { return both(netem.Impairment{Delay: d}) }

func owd(n float64, text string) *Duration {
	return &Duration{Term: Term{Value: n, Unit: OWD, Text: text}, Text: text}
}

func rtt(n float64, text string) *Duration {
	return &Duration{Term: Term{Value: n, Unit: RTT, Text: text}, Text: text}
}

func exactly(n int, text string) Count { return Count{Value: n, Text: text} }

func pointer[T any](v T) *T { return &v }

// equal compares scenarios but for their mutations, which have a test of their own.
func equal(t *testing.T, got, want *Scenario) {
	t.Helper()
	if d := cmp.Diff(want, got, cmpopts.IgnoreFields(Scenario{}, "Mutations")); d != "" {
		t.Errorf("decoded differently (-want +got):\n%s", d)
	}
}

func TestHandshake100ms(t *testing.T) {
	got := library(t, "handshake-100ms.yaml")
	if !strings.HasPrefix(got.Summary, "With 100 ms of one-way delay the three legs take 300 ms until the server is ESTABLISHED") {
		t.Errorf("summary %q", got.Summary)
	}
	equal(t, got, &Scenario{
		File: "test.yaml", Name: "handshake-100ms", Summary: got.Summary,
		Topology: topo.Topology{
			Seed: 1,
			Nodes: []topo.Node{
				{Name: "client", Role: topo.Host},
				{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeHTTP}}},
			},
			Links: []topo.Link{{Ends: [2]string{"client", "server"}, Toward: delays(100 * time.Millisecond)}},
		},
		Steps: []Step{{
			Line:    17,
			Connect: &Connect{From: "client", Target: Target{"server", 80}, Family: IPv4},
			Expect: &Expect{
				Line: 20, Outcome: "connected", Handshake: []string{"SYN", "SYN-ACK", "ACK"},
				ConnectTime: owd(2, "2 owd"), AcceptTime: owd(3, "3 owd"),
				States: &States{
					Client: []observe.State{observe.SynSent, observe.Established},
					Server: []observe.State{observe.SynReceived, observe.Established},
				},
			},
		}},
	})
}

func TestHTTPSThreeRTT(t *testing.T) {
	got := library(t, "https-three-rtt.yaml")
	equal(t, got, &Scenario{
		File: "test.yaml", Name: "https-three-rtt", Summary: got.Summary,
		Topology: topo.Topology{
			Seed: 1,
			Nodes: []topo.Node{
				{Name: "client", Role: topo.Host},
				{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 443, Serve: topo.ServeHTTPS, TLS: "1.3"}}},
			},
			Links: []topo.Link{{Ends: [2]string{"client", "server"}, Toward: delays(50 * time.Millisecond)}},
		},
		Steps: []Step{{
			Line: 17,
			HTTP: &HTTP{From: "client", URL: "https://server/", TLS: true, Target: Target{"server", 443}, Path: "/", Family: IPv4},
			Expect: &Expect{
				Line: 20, Status: pointer(exactly(200, "200")),
				ConnectTime: rtt(1, "1 rtt"), TLSTime: rtt(2, "2 rtt"), FirstByteTime: rtt(3, "3 rtt"),
			},
		}},
	})
}

func TestFirewallDrop(t *testing.T) {
	got := library(t, "firewall-drop.yaml")
	seconds := func(n float64, text string) Term { return Term{Value: n * 1e9, Text: text} }
	equal(t, got, &Scenario{
		File: "test.yaml", Name: "firewall-drop", Summary: got.Summary,
		Topology: topo.Topology{
			Seed: 1,
			Nodes: []topo.Node{
				{Name: "client", Role: topo.Host, Sysctls: []topo.Sysctl{
					{Name: "net.ipv4.tcp_syn_retries", Value: "2"}, {Name: "net.ipv4.tcp_syn_linear_timeouts", Value: "0", Optional: true},
				}},
				{Name: "fw", Role: topo.Router, Firewall: []topo.Rule{{
					Name: "block-web", Hook: topo.Forward, Action: topo.DropPacket,
					Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 80, Last: 80}},
				}}},
				{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeHTTP}}},
			},
			Links: []topo.Link{
				{Ends: [2]string{"client", "fw"}, Toward: delays(20 * time.Millisecond)},
				{Ends: [2]string{"fw", "server"}, Toward: delays(30 * time.Millisecond)},
			},
		},
		Steps: []Step{{
			Line:    23,
			Connect: &Connect{From: "client", Target: Target{"server", 80}, Family: IPv4},
			Expect: &Expect{
				Line: 26, Outcome: "timed-out", Error: "ETIMEDOUT", Tolerance: pointer(350 * time.Millisecond),
				Elapsed:  &Duration{Term: seconds(7, "7s"), Text: "7s"},
				Packets:  map[string]Count{"syn": exactly(3, "3"), "syn_ack": exactly(0, "0")},
				SynTimes: []Term{seconds(0, "0s"), seconds(1, "1s"), seconds(3, "3s")},
				States:   &States{Client: []observe.State{observe.SynSent, observe.Closed}},
				Dropped:  &Dropped{Node: "fw", Rule: "block-web"},
			},
		}},
	})
}

func TestNATIdleTimeout(t *testing.T) {
	got := library(t, "nat-idle-timeout.yaml")
	equal(t, got, &Scenario{
		File: "test.yaml", Name: "nat-idle-timeout", Summary: got.Summary,
		Topology: topo.Topology{
			Seed: 1,
			Nodes: []topo.Node{
				{Name: "phone", Role: topo.Host},
				{
					Name: "cgnat", Role: topo.Router,
					NAT: &topo.NAT{Outside: "internet", Timeouts: map[string]time.Duration{"tcp_established": 5 * time.Second}},
					Firewall: []topo.Rule{{
						Name: "unknown-flow", Hook: topo.Forward, Action: topo.DropPacket, Match: topo.Match{Proto: "tcp", State: "invalid"},
					}},
				},
				{Name: "internet", Role: topo.Router},
				{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 443, Serve: topo.ServeEcho}}},
			},
			Links: []topo.Link{
				{Ends: [2]string{"phone", "cgnat"}, Toward: delays(20 * time.Millisecond)},
				{Ends: [2]string{"cgnat", "internet"}, Toward: delays(5 * time.Millisecond)},
				{Ends: [2]string{"internet", "server"}, Toward: delays(5 * time.Millisecond)},
			},
		},
		Steps: []Step{
			{
				Line:    25,
				Connect: &Connect{From: "phone", Target: Target{"server", 443}, Family: IPv4, As: "app"},
				Expect:  &Expect{Line: 28, Outcome: "connected", SeenFrom: "cgnat", ConnectTime: rtt(1, "1 rtt")},
			},
			{Line: 29, Exchange: &Exchange{Connection: "app", Send: "hello"}, Expect: &Expect{Line: 31, Outcome: "answered"}},
			{Line: 32, Wait: &Wait{8 * time.Second}},
			{
				Line:     33,
				Exchange: &Exchange{Connection: "app", Send: "still there?", Timeout: 3 * time.Second},
				Expect:   &Expect{Line: 36, Outcome: "timed-out", Dropped: &Dropped{Node: "cgnat", Rule: "unknown-flow"}},
			},
		},
	})
}

// TestLibrary decodes every file of the library. Each is named like its scenario,
// lies in the folder of a theme, expects something of every step, and names a
// mutation that it must notice.
func TestLibrary(t *testing.T) {
	files, err := fs.Glob(scenarios.Library, "*/*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if !slices.Contains(scenarios.Files(), file) {
			t.Errorf("%s is in the folder of no theme", file)
		}
	}
	names := map[string]string{}
	for _, file := range scenarios.Files() {
		sc := library(t, file)
		if sc.Name+".yaml" != path.Base(file) || sc.Summary == "" || names[sc.Name] != "" {
			t.Errorf("%s: name %q, summary %q, a namesake %q", file, sc.Name, sc.Summary, names[sc.Name])
		}
		names[sc.Name] = file
		if len(sc.Mutations) == 0 {
			t.Errorf("%s names no mutation", file)
		}
		for _, s := range sc.Steps {
			if s.Expect == nil && s.Wait == nil && s.Set == nil && s.Parallel == nil && path.Dir(file) != "slow" {
				t.Errorf("%s: the step on line %d expects nothing", file, s.Line)
			}
		}
	}
}

func TestDecodeFile(t *testing.T) {
	if _, err := DecodeFile(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a missing file gives %v", err)
	}
	file := filepath.Join(t.TempDir(), "a.yaml")
	if err := os.WriteFile(file, []byte("name: a\nnodes: {a: {}}\nsteps: [{wait: 1s}]\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sc, err := DecodeFile(file)
	if err != nil || sc.File != file {
		t.Errorf("got %+v, %v", sc, err)
	}
}

func TestTooBig(t *testing.T) {
	for name, src := range map[string]string{
		"bytes":  strings.Repeat("# comment\n", 1<<17),
		"tokens": "tags: [" + strings.Repeat("a,", maxTokens/2) + "]",
		"steps":  "name: a\nnodes: {a: {}}\nsteps:\n" + strings.Repeat("  - wait: 1s\n", maxSteps+1),
		"nodes":  "name: a\nsteps: [{wait: 1s}]\nnodes:\n" + numbered("  n%: {}\n", maxNodes+1),
		"lists":  "name:\n" + strings.Repeat("- ", 1000) + "a\n",
	} {
		_, err := Decode("big.yaml", []byte(src))
		if err == nil || !strings.Contains(err.Error(), "more than") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func numbered(pattern string, n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.ReplaceAll(pattern, "%", string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676))))
	}
	return b.String()
}

// TestManyProblems keeps the message short and the list whole up to its limit.
func TestManyProblems(t *testing.T) {
	_, err := Decode("many.yaml", []byte("name: a\nnodes: {a: {}}\nsteps:\n"+strings.Repeat("  - wait: 1\n", 2000)))
	var p *Problems
	if !errors.As(err, &p) || len(p.List) != maxProblems || !strings.HasSuffix(err.Error(), "\nand 950 more") {
		t.Fatalf("got %v", err)
	}
}

func TestNotSupported(t *testing.T) {
	for src, want := range map[string]bool{
		"name: a\nnodes: {a: {role: switch}}\nsteps: [{wait: 1s}]\n": true,
		"name: a\nnodes: {a: {role: swich}}\nsteps: [{wait: 1s}]\n":  false,
	} {
		_, err := Decode("a.yaml", []byte(src))
		var p *Problems
		if !errors.As(err, &p) || p.NotSupported() != want {
			t.Errorf("%q: NotSupported is not %t: %v", src, want, err)
		}
	}
}

func TestRawTypesHaveDocumentation(t *testing.T) {
	var walk func(reflect.Type)
	seen := map[reflect.Type]bool{}
	walk = func(ty reflect.Type) {
		for ty.Kind() == reflect.Pointer || ty.Kind() == reflect.Slice {
			ty = ty.Elem()
		}
		if ty.Kind() != reflect.Struct || seen[ty] {
			return
		}
		seen[ty] = true
		for _, f := range reflect.VisibleFields(ty) {
			if f.Tag.Get("json") != "" && f.Tag.Get("doc") == "" {
				t.Errorf("%s.%s has no doc", ty, f.Name)
			}
			walk(f.Type)
		}
	}
	walk(reflect.TypeFor[rawScenario]())
	for _, kind := range stepKinds {
		walk(new(rawStep).body(kind).Type())
	}
	if len(seen) < 20 {
		t.Errorf("saw %d types", len(seen))
	}
}
