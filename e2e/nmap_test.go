package e2e_test

import (
	"encoding/xml"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios"
	"testbed/scenarios/report"
	"testbed/scenarios/run"
	"testbed/scenarios/spec"
	"testbed/topo"
)

// nmap judges from outside what a scan says of ports: in the network of every
// scenario in which something filters.
var _ = Describe("a scan", func() {
	for _, u := range users() {
		It("agrees with nmap, as "+u.name, func() {
			u.requireSandbox()
			requirePrograms("nmap", "tc")
			needsRulesetTools()
			surveys := surveys()
			Expect(len(surveys)).To(BeNumerically(">=", 110))
			ours := u.survey(surveys, survey.scan)
			for i := range surveys {
				remote, err := netip.ParseAddrPort(ours[i].Remote)
				Expect(err).NotTo(HaveOccurred(), surveys[i].name())
				surveys[i].address, surveys[i].path = remote.Addr(), ours[i].Path
			}
			theirs := u.survey(surveys, survey.nmap)
			states := map[string]int{}
			var apart []string
			for i, s := range surveys {
				for _, p := range ours[i].Ports {
					states[p.State]++
				}
				if a, b := found(ours[i]), verdictOf(theirs[i]); !maps.Equal(a, b) {
					apart = append(apart, fmt.Sprintf("%s: a scan finds %v, nmap %v\n%s", s.name(), a, b, theirs[i].Command.Stdout))
				}
			}
			Expect(apart).To(BeEmpty())
			Expect(states).To(And(HaveLen(3), HaveKey("open"), HaveKey("closed"), HaveKey("filtered")))
		})
	}
})

// survey is a scan of one target in the network of a scenario.
type survey struct {
	file string
	// cell are the values of the scenario's parameters.
	cell  []spec.Assignment
	links []topo.Link
	// alone says that the network is for this survey only.
	alone bool
	route
	family spec.Family
	ports  []string
	// address is the target's as the scanner knows it, and path the way there and back.
	address netip.Addr
	path    *report.PathDocument
}

// route is whom a step asks for ports, and where from.
type route struct{ from, target string }

func (s survey) name() string {
	return strings.TrimSuffix(path.Base(s.file), ".yaml") + "-" + s.from + "-" + s.target + "-" + string(s.family)
}

// with tells whether two surveys share a network.
func (s survey) with(o survey) bool { return s.file == o.file && !s.alone }

// scan and nmap are the step of a survey.
func (s survey) scan() yaml.MapSlice {
	return yaml.MapSlice{{Key: "scan", Value: s.target + ":" + strings.Join(s.ports, ",")}, {Key: "from", Value: s.from}, {Key: "family", Value: string(s.family)}}
}

func (s survey) nmap() yaml.MapSlice {
	args := []string{"nmap", "--privileged", "-sS", "-n", "-Pn", "--send-ip", "--reason", "-T4", "--max-retries", "2", "-oX", "-", "-p", strings.Join(s.ports, ",")}
	if s.family == spec.IPv6 {
		args = append(args, "-6")
	}
	return execIn(s.from, append(args, s.address.String())...)
}

// hear are steps that let nmap hear answers: it listens on the interface that its SYNs
// leave by, so what comes in by another one is made to come in by that.
func (s survey) hear() []yaml.MapSlice {
	out, in := s.interfaces()
	if out == in {
		return nil
	}
	return []yaml.MapSlice{
		execIn(s.from, "tc", "qdisc", "replace", "dev", in, "ingress"),
		execIn(s.from, strings.Fields("tc filter replace dev "+in+" ingress pref 1 protocol all u32 match u32 0 0 action mirred ingress redirect dev "+out)...),
	}
}

func execIn(from string, args ...string) yaml.MapSlice {
	return yaml.MapSlice{{Key: "exec", Value: args}, {Key: "from", Value: from}, {Key: "timeout", Value: "120s"}}
}

// interfaces are those of the scanner that its SYNs leave by and answers come in by.
func (s survey) interfaces() (out, in string) {
	p := s.path
	if p == nil || len(p.Nodes) < 2 || len(p.Return) < 2 {
		return "", ""
	}
	return s.toward(p.Nodes[1]), s.toward(p.Return[len(p.Return)-2])
}

// toward is the scanner's interface to a neighbour: they are numbered in the order of
// its links.
func (s survey) toward(neighbour string) string {
	n := 0
	for _, l := range s.links {
		if slices.Contains(l.Ends[:], s.from) {
			if slices.Contains(l.Ends[:], neighbour) {
				break
			}
			n++
		}
	}
	return fmt.Sprintf("eth%d", n)
}

// surveys are those of the library's networks in which something filters: from where
// their steps begin, of every server and of whatever else the steps ask.
func surveys() (all []survey) {
	GinkgoHelper()
	kernel, err := spec.ParseVersion(run.Kernel())
	Expect(err).NotTo(HaveOccurred())
	for _, file := range scenarios.Files() {
		sc, err := spec.DecodeFile(filepath.Join(root, "scenarios", file))
		Expect(err).NotTo(HaveOccurred())
		sc = sc.Each()[0]
		if !filters(&sc.Topology) || !alike(&sc.Topology) || sc.Kernels != nil && !sc.Kernels.Contains(kernel) {
			continue
		}
		for _, r := range routes(sc) {
			for _, family := range families(r.target) {
				all = append(all, survey{file: file, cell: sc.Cell, links: sc.Topology.Links, alone: picks(&sc.Topology), route: r, family: family, ports: interesting(sc)})
			}
		}
	}
	return all
}

// filters tells whether a network has anything that may keep a SYN or its answer from
// where they go: rules, in whatever language, NAT, or a limit of flows.
func filters(t *topo.Topology) bool {
	return slices.ContainsFunc(t.Nodes, func(n topo.Node) bool {
		return len(n.Firewall) > 0 || len(n.Rulesets) > 0 || n.NAT != nil || n.Flows > 0
	})
}

// alike tells whether a network answers alike whoever asks: not by chance, not by how
// fast one asks (rate), and not by who was first (room for a few flows, or a few ports
// of a NAT). A rule that picks a packet by its number does: both ask again.
func alike(t *topo.Topology) bool {
	return !slices.ContainsFunc(t.Nodes, func(n topo.Node) bool {
		few := n.NAT != nil && n.NAT.Mapping != "" && n.NAT.Ports.Last-n.NAT.Ports.First < 1000
		return few || n.Flows > 0 || slices.ContainsFunc(n.Firewall, func(r topo.Rule) bool {
			return r.Match.Probability > 0 || r.Match.Rate != topo.Rate{}
		})
	})
}

// picks tells whether a network has a rule that picks a packet by its number, which is
// the packet of only one of those that ask.
func picks(t *topo.Topology) bool {
	return slices.ContainsFunc(t.Nodes, func(n topo.Node) bool {
		return slices.ContainsFunc(n.Firewall, func(r topo.Rule) bool { return r.Match.Nth > 0 })
	})
}

// routes lead to each server, and to each other node or address that a step asks: from
// the first that asks it, or else from the first that asks another one.
func routes(sc *spec.Scenario) (all []route) {
	var asked []route
	for _, s := range spec.Flat(sc.Steps) {
		if r, _ := asks(s); r.from != "" {
			asked = append(asked, r)
		}
	}
	lead := func(target string, by func(route) bool) {
		found := slices.ContainsFunc(all, func(r route) bool { return r.target == target })
		if i := slices.IndexFunc(asked, by); i >= 0 && !found {
			all = append(all, route{from: asked[i].from, target: target})
		}
	}
	for _, r := range asked {
		if _, err := netip.ParseAddr(r.target); err == nil || sc.Topology.NodeIndex(r.target) >= 0 { // no name of a resolver's
			lead(r.target, func(o route) bool { return o.target == r.target && o.from != r.target })
		}
	}
	for _, n := range sc.Topology.Nodes {
		if len(n.Listen) > 0 {
			lead(n.Name, func(o route) bool { return o.from != n.Name })
		}
	}
	return all
}

// asks is whom a step asks, and for which ports.
func asks(s *spec.Step) (r route, ports []uint16) {
	switch {
	case s.Connect != nil:
		return route{s.Connect.From, s.Connect.Target.Host}, []uint16{s.Connect.Target.Port}
	case s.HTTP != nil:
		return route{s.HTTP.From, s.HTTP.Target.Host}, []uint16{s.HTTP.Target.Port}
	case s.Scan != nil:
		return route{s.Scan.From, s.Scan.Host}, nil
	}
	return route{}, nil
}

// families are those in which a target has an address.
func families(target string) []spec.Family {
	if a, err := netip.ParseAddr(target); err == nil && a.Is4() {
		return []spec.Family{spec.IPv4}
	} else if err == nil {
		return []spec.Family{spec.IPv6}
	}
	return []spec.Family{spec.IPv4, spec.IPv6}
}

// interesting are the ports of all servers, forwardings and rules of a network, those
// that its steps ask for, and two that nobody uses.
func interesting(sc *spec.Scenario) (ports []string) {
	numbers := []uint16{9, 4567}
	for i := range sc.Topology.Nodes {
		n := &sc.Topology.Nodes[i]
		for _, l := range n.Listen {
			numbers = append(numbers, l.Port)
		}
		for _, r := range n.Firewall {
			if d := r.Match.Dport; !d.IsZero() {
				numbers = append(numbers, d.First, d.Last)
			}
		}
		if n.NAT != nil {
			for _, f := range n.NAT.Forward {
				numbers = append(numbers, f.Port)
			}
		}
	}
	for _, s := range spec.Flat(sc.Steps) {
		_, more := asks(s)
		numbers = append(numbers, more...)
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		ports = append(ports, strconv.Itoa(int(n)))
	}
	return ports
}

// survey runs the step of each survey, in its scenario's network, and returns what each
// came to. Surveys of one network are in parallel.
func (u *user) survey(all []survey, step func(survey) yaml.MapSlice) (steps []report.StepDocument) {
	GinkgoHelper()
	dir := u.folder()
	for i := 0; i < len(all); {
		first, before, beside := i, []yaml.MapSlice{}, []yaml.MapSlice{}
		for ; i == first || i < len(all) && all[first].with(all[i]); i++ {
			before = append(before, all[i].hear()...)
			beside = append(beside, step(all[i]))
		}
		text := append(all[first].network(),
			yaml.MapItem{Key: "name", Value: fmt.Sprintf("survey-%03d", first)},
			yaml.MapItem{Key: "steps", Value: append(before, yaml.MapSlice{{Key: "parallel", Value: beside}})})
		b, err := yaml.Marshal(text)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(filepath.Join(dir, fmt.Sprintf("survey-%03d.yaml", first)), b, 0o644)).To(Succeed())
	}
	r := u.run("--jobs", "24", dir) // nmap waits for what does not answer, and measures nothing
	for _, s := range r.document.Scenarios {
		Expect(s.OK).To(BeTrue(), "%s: %s\n%s%s", s.Name, s.Error, r.stdout, r.stderr)
		steps = append(steps, s.Steps[len(s.Steps)-1].Parallel...)
	}
	Expect(steps).To(HaveLen(len(all)), "%s%s", r.stdout, r.stderr)
	return steps
}

// network is what the scenario's file says of its network.
func (s survey) network() (kept yaml.MapSlice) {
	GinkgoHelper()
	b, err := scenarios.Library.ReadFile(s.file)
	Expect(err).NotTo(HaveOccurred())
	text := string(b)
	for _, a := range s.cell {
		text = strings.ReplaceAll(text, "${"+a.Name+"}", a.Value)
	}
	var all yaml.MapSlice
	Expect(yaml.UnmarshalWithOptions([]byte(text), &all, yaml.UseOrderedMap())).To(Succeed())
	for _, item := range all {
		if slices.Contains([]any{"nodes", "links", "seed"}, item.Key) {
			kept = append(kept, item)
		}
	}
	return kept
}

// found are the states that a scan tells.
func found(s report.StepDocument) map[string]string {
	states := map[string]string{}
	for _, p := range s.Ports {
		states[strconv.Itoa(int(p.Port))] = p.State
	}
	return states
}

// verdictOf are the states that nmap tells.
func verdictOf(s report.StepDocument) map[string]string {
	GinkgoHelper()
	var x struct {
		Ports []struct {
			Number string `xml:"portid,attr"`
			State  struct {
				State string `xml:"state,attr"`
			} `xml:"state"`
		} `xml:"host>ports>port"`
	}
	Expect(s.Command).NotTo(BeNil())
	Expect(xml.Unmarshal([]byte(s.Command.Stdout), &x)).To(Succeed(), s.Command.Stdout+s.Command.Stderr)
	states := map[string]string{}
	for _, p := range x.Ports {
		states[p.Number] = p.State.State
	}
	return states
}
