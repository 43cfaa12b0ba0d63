package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"testbed/agents"
	"testbed/observe"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// scanResult is a scan of an open port, two closed ones, and many that a firewall
// hides in two ways.
func scanResult() *verdict.Result {
	o := &verdict.Observation{Step: 1, Kind: verdict.Scan, Title: "scan server:20-22,1000-1099,8443 from scanner", From: "scanner", Target: "server", Began: began, Elapsed: 1600 * time.Millisecond}
	add := func(n uint16, s agents.PortState, a agents.Answer, by string, drops ...observe.Drop) {
		o.Ports = append(o.Ports, verdict.ScannedPort{Port: agents.Port{Number: n, State: s, Answer: a, Probes: max(1, len(drops))}, By: by, Drops: drops})
	}
	add(20, agents.PortClosed, agents.AnswerReset, "server")
	add(21, agents.PortClosed, agents.AnswerReset, "fw", observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "ftp", Answer: "tcp-reset"})
	add(22, agents.PortOpen, agents.AnswerSynAck, "server")
	hidden := observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "hide"}
	for n := uint16(1000); n < 1100; n++ {
		add(n, agents.PortFiltered, agents.NoAnswer, "", hidden, hidden, hidden)
	}
	add(8443, agents.PortFiltered, agents.AnswerICMP, "fw", observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "admin", Answer: "admin-prohibited"})
	p := &o.Ports[len(o.Ports)-1]
	p.Type, p.Code, p.From = 3, 13, fwAddr
	step := &spec.Step{Line: 9, Scan: &spec.Scan{From: "scanner", Host: "server"}, Expect: &spec.Expect{Open: []uint16{22, 80}}}
	return &verdict.Result{Scenario: &spec.Scenario{Name: "scan"}, Steps: []verdict.StepResult{{Step: step, Observation: o, Verdict: verdict.Judge(step, o)}}}
}

func TestScanText(t *testing.T) {
	var b bytes.Buffer
	if err := Text(&b, scanResult(), Options{}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"expected open 22, 80, observed 22",
		"open        22         SYN-ACK from server\n",
		"closed      20         RST from server\n",
		"closed      21         RST from fw, by rule ftp (tcp-reset)\n",
		"filtered    1000-1099  no answer to 3 SYNs: dropped at fw by rule hide\n",
		"filtered    8443       ICMP type 3 code 13 from fw, by rule admin (admin-prohibited)\n",
		"scanner sent 304 SYNs to 104 ports of server in 1.6s: 1 open, 2 closed and 101 filtered.",
	} {
		if got := b.String(); !strings.Contains(got, want) {
			t.Errorf("no %q in:\n%s", want, got)
		}
	}
}

func TestScanJSON(t *testing.T) {
	var b bytes.Buffer
	if err := JSON(&b, []*verdict.Result{scanResult()}); err != nil {
		t.Fatal(err)
	}
	var d Document
	if err := json.Unmarshal(b.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	ports := d.Scenarios[0].Steps[0].Ports
	if len(ports) != 104 {
		t.Fatalf("%d ports", len(ports))
	}
	last := ports[103]
	if last.Port != 8443 || last.State != "filtered" || last.Answer != "icmp" || *last.ICMPType != 3 || *last.ICMPCode != 13 || last.From != fwAddr.String() || last.By != "fw" {
		t.Errorf("%+v", last)
	}
	if p := ports[3]; p.Probes != 3 || len(p.Drops) != 3 || p.Drops[0].Node != "fw" || p.Drops[0].Rule != "hide" || p.ICMPType != nil {
		t.Errorf("%+v", p)
	}
}

func TestScanCompared(t *testing.T) {
	if got := outcomeOf(scanResult().Steps[0].Observation); got != "open 22  closed 20-21  filtered 1000-1099, 8443" {
		t.Errorf("got %q", got)
	}
}
