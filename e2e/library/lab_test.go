package library_test

import (
	"context"
	"fmt"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/agents"
	"testbed/netem"
	"testbed/observe"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
	"testbed/topo"
)

var _ = Describe("a lab", func() {
	It("connects across a topology made in Go, and tells what it saw", func(ctx context.Context) {
		lab := open(ctx, firewalled(10*time.Millisecond))
		o := connect(ctx, lab, 80)
		Expect(o.Outcome).To(Equal(agents.Connected))
		Expect(*o.ConnectTime).To(BeNumerically(">=", 20*time.Millisecond))
		Expect(*o.AcceptTime).To(BeNumerically(">=", 30*time.Millisecond))
		Expect(o.Path.OWD()).To(Equal(10 * time.Millisecond))
		Expect(o.SeenFrom).To(Equal("client"))
		Expect(flags(o)[:3]).To(Equal([]string{"SYN", "SYN-ACK", "ACK"}))
		Expect(states(o.ClientStates)).To(Equal([]observe.State{observe.SynSent, observe.Established}))
		Expect(states(o.ServerStates)).To(Equal([]observe.State{observe.SynReceived, observe.Established}))
	})

	It("says where a segment died", func(ctx context.Context) {
		lab := open(ctx, firewalled(0))
		o, err := lab.Connect(ctx, spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 81}, Timeout: 100 * time.Millisecond})
		Expect(err).NotTo(HaveOccurred())
		Expect(o.Outcome).To(Equal(agents.TimedOut))
		Expect(o.Deadline).To(BeTrue())
		Expect(o.Journeys).To(HaveLen(1))
		Expect(o.Journeys[0].Fate.Drop).To(Equal(observe.Drop{Node: "fw", Cause: observe.ByRule, Rule: "hide"}))
	})

	It("changes while connections live", func(ctx context.Context) {
		lab := open(ctx, firewalled(0))
		_, err := lab.Connect(ctx, spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: 80}, As: "kept"})
		Expect(err).NotTo(HaveOccurred())

		_, err = lab.Set(spec.Set{Link: -1, Node: "server", Listen: &[]topo.Listener{}})
		Expect(err).NotTo(HaveOccurred())
		Expect(connect(ctx, lab, 80).Outcome).To(Equal(agents.Refused))

		_, err = lab.Set(spec.Set{Link: -1, Node: "fw", Firewall: &[]topo.Rule{}})
		Expect(err).NotTo(HaveOccurred())
		Expect(connect(ctx, lab, 81).Outcome).To(Equal(agents.Refused))

		o, err := lab.Exec(ctx, spec.Exec{From: "fw", Args: []string{"ls", "/sys/class/net"}})
		Expect(err).NotTo(HaveOccurred())
		Expect(o.Stdout).To(Equal("eth0\neth1\nlo\n"))
	})

	It("refuses a topology that contradicts itself, and leaves nothing", func(ctx context.Context) {
		_, err := run.Open(ctx, &topo.Topology{
			Nodes: []topo.Node{{Name: "a", Role: topo.Host}},
			Links: []topo.Link{{Ends: [2]string{"a", "nobody"}}},
		})
		Expect(err).To(MatchError(ContainSubstring("nobody")))
	})
})

var _ = Describe("scenarios from Go", func() {
	It("run side by side, judged, in the order given", func(ctx context.Context) {
		var list []*spec.Scenario
		for _, outcome := range []string{"connected", "refused", "connected"} {
			s, err := spec.Decode("from-go.yaml", []byte(fmt.Sprintf(scenario, outcome)))
			Expect(err).NotTo(HaveOccurred())
			list = append(list, s)
		}
		results := run.All(ctx, list, run.Options{})
		Expect(results).To(HaveLen(3))
		for i, ok := range []bool{true, false, true} {
			Expect(results[i].Err).NotTo(HaveOccurred())
			Expect(results[i].Scenario).To(BeIdenticalTo(list[i]))
			Expect(results[i].OK()).To(Equal(ok))
		}
	})

	It("end with their context", func(ctx context.Context) {
		s, err := spec.Decode("long.yaml", []byte("name: long\nnodes: {a: {}}\nsteps: [{wait: 1ms}, {wait: 1h}]\n"))
		Expect(err).NotTo(HaveOccurred())
		ctx, cancel := context.WithCancel(ctx)
		r := run.Scenario(ctx, s, run.Options{Progress: run.Progress{OnStep: func(_ *spec.Scenario, step int, _ string) {
			if step == 2 {
				cancel()
			}
		}}})
		Expect(r.Err).To(MatchError(context.Canceled))
		Expect(r.Steps).To(HaveLen(1))
	})
})

// scenario connects; %s is the outcome that it expects.
const scenario = `
name: from-go
nodes:
  client: {}
  server: {listen: [{port: 80, serve: echo}]}
links: [{between: [client, server], delay: 5ms}]
steps:
  - {connect: server:80, from: client, expect: {outcome: %s, connect_time: ">= 1 rtt"}}
`

// firewalled is client – fw – server, with a one-way delay before the firewall,
// which hides port 81. The server has port 80.
func firewalled(delay time.Duration) *topo.Topology {
	slow := netem.Impairment{Delay: delay}
	return &topo.Topology{
		Nodes: []topo.Node{
			{Name: "client", Role: topo.Host},
			{Name: "fw", Role: topo.Router, Firewall: []topo.Rule{
				{Name: "hide", Hook: topo.Forward, Match: topo.Match{Proto: "tcp", Dport: topo.PortRange{First: 81, Last: 81}}, Action: topo.DropPacket},
			}},
			{Name: "server", Role: topo.Host, Listen: []topo.Listener{{Port: 80, Serve: topo.ServeEcho}}},
		},
		Links: []topo.Link{
			{Ends: [2]string{"client", "fw"}, Toward: [2]netem.Impairment{slow, slow}},
			{Ends: [2]string{"fw", "server"}},
		},
	}
}

// open builds a topology for one spec.
func open(ctx context.Context, t *topo.Topology) *run.Lab {
	GinkgoHelper()
	lab, err := run.Open(ctx, t)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { Expect(lab.Close()).To(Succeed()) })
	return lab
}

// connect connects from client to a port of the server.
func connect(ctx context.Context, lab *run.Lab, port uint16) *verdict.Observation {
	GinkgoHelper()
	o, err := lab.Connect(ctx, spec.Connect{From: "client", Target: spec.Target{Host: "server", Port: port}})
	Expect(err).NotTo(HaveOccurred())
	return o
}

// flags are those of the segments, in the order of sending.
func flags(o *verdict.Observation) (list []string) {
	for i := range o.Journeys {
		if t := o.Journeys[i].Packet().TCP; t != nil {
			list = append(list, t.Flags.String())
		}
	}
	return list
}

func states(changes []observe.StateChange) (list []observe.State) {
	for _, c := range changes {
		list = append(list, c.State)
	}
	return list
}
