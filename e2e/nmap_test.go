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
	"testbed/scenarios/spec"
	"testbed/topo"
)

// nmap judges from outside what a scan says of ports: in the network of every
// scenario that has a firewall and a server.
var _ = Describe("a scan", func() {
	for _, u := range users() {
		It("agrees with nmap, as "+u.name, func() {
			u.requireSandbox()
			requirePrograms("nmap")
			surveys := surveys()
			Expect(len(surveys)).To(BeNumerically(">=", 40))
			ours := u.survey(surveys, survey.scan)
			for i := range surveys {
				remote, err := netip.ParseAddrPort(ours[i].Remote)
				Expect(err).NotTo(HaveOccurred(), surveys[i].name())
				surveys[i].address = remote.Addr()
			}
			theirs := u.survey(surveys, survey.nmap)
			states := map[string]int{}
			var apart []string
			for i, s := range surveys {
				for _, p := range ours[i].Ports {
					states[p.State]++
				}
				a, b := found(ours[i]), verdictOf(theirs[i])
				if !maps.Equal(a, b) && !elsewhere(ours[i].Path) {
					apart = append(apart, fmt.Sprintf("%s: a scan finds %v, nmap %v\n%s", s.name(), a, b, theirs[i].Command.Stdout))
				}
			}
			Expect(apart).To(BeEmpty())
			Expect(states).To(And(HaveLen(3), HaveKey("open"), HaveKey("closed"), HaveKey("filtered")))
		})
	}
})

// survey is a scan of one server in the network of a scenario.
type survey struct {
	file string
	// cell are the values of the scenario's parameters.
	cell         []spec.Assignment
	from, target string
	family       spec.Family
	ports        []string
	// address is the target's as the scanner knows it.
	address netip.Addr
}

func (s survey) name() string {
	return strings.TrimSuffix(path.Base(s.file), ".yaml") + "-" + s.target + "-" + string(s.family)
}

// scan and nmap are the steps of a survey.
func (s survey) scan() yaml.MapSlice {
	return yaml.MapSlice{{Key: "scan", Value: s.target + ":" + strings.Join(s.ports, ",")}, {Key: "from", Value: s.from}, {Key: "family", Value: string(s.family)}}
}

func (s survey) nmap() yaml.MapSlice {
	args := []string{"nmap", "--privileged", "-sS", "-n", "-Pn", "--send-ip", "--reason", "-T4", "--max-retries", "2", "-oX", "-", "-p", strings.Join(s.ports, ",")}
	if s.family == spec.IPv6 {
		args = append(args, "-6")
	}
	return yaml.MapSlice{{Key: "exec", Value: append(args, s.address.String())}, {Key: "from", Value: s.from}, {Key: "timeout", Value: "120s"}}
}

// surveys are those of the library's networks with a firewall and a server. Left out
// are firewalls whose answer depends on chance, or on how fast they are asked.
func surveys() (all []survey) {
	GinkgoHelper()
	for _, file := range scenarios.Files() {
		sc, err := spec.DecodeFile(filepath.Join(root, "scenarios", file))
		Expect(err).NotTo(HaveOccurred())
		sc = sc.Each()[0]
		if !filters(&sc.Topology) || sc.Kernels != nil {
			continue
		}
		for i := range sc.Topology.Nodes {
			target := &sc.Topology.Nodes[i]
			from := scanner(sc, target.Name)
			if len(target.Listen) == 0 || from == "" {
				continue
			}
			for _, family := range []spec.Family{spec.IPv4, spec.IPv6} {
				all = append(all, survey{file: file, cell: sc.Cell, from: from, target: target.Name, family: family, ports: interesting(&sc.Topology, target)})
			}
		}
	}
	return all
}

// filters tells whether a network has a firewall that always answers alike.
func filters(t *topo.Topology) bool {
	some := false
	for i := range t.Nodes {
		for _, r := range t.Nodes[i].Firewall {
			if r.Match.Probability > 0 || r.Match.Rate != (topo.Rate{}) {
				return false
			}
			some = true
		}
	}
	return some
}

// scanner is the node that a scenario's first step on another host begins from.
func scanner(sc *spec.Scenario, target string) string {
	for i := range sc.Steps {
		for _, from := range origins(&sc.Steps[i]) {
			if from != target {
				return from
			}
		}
	}
	return ""
}

func origins(s *spec.Step) (names []string) {
	switch {
	case s.Connect != nil:
		names = append(names, s.Connect.From)
	case s.HTTP != nil:
		names = append(names, s.HTTP.From)
	case s.Scan != nil:
		names = append(names, s.Scan.From)
	case s.Parallel != nil:
		for i := range s.Parallel.Steps {
			names = append(names, origins(&s.Parallel.Steps[i])...)
		}
	}
	return names
}

// interesting are the ports of a server and of the rules of all firewalls, and two
// that nobody uses.
func interesting(t *topo.Topology, server *topo.Node) (ports []string) {
	numbers := []int{9, 4567}
	for _, l := range server.Listen {
		numbers = append(numbers, int(l.Port))
	}
	for i := range t.Nodes {
		for _, r := range t.Nodes[i].Firewall {
			if d := r.Match.Dport; !d.IsZero() {
				numbers = append(numbers, int(d.First), int(d.Last))
			}
		}
	}
	slices.Sort(numbers)
	for _, n := range slices.Compact(numbers) {
		ports = append(ports, strconv.Itoa(n))
	}
	return ports
}

// survey runs one step of each survey, in its scenario's network, and returns what
// each came to.
func (u *user) survey(all []survey, step func(survey) yaml.MapSlice) (steps []report.StepDocument) {
	GinkgoHelper()
	dir := u.folder()
	for i, s := range all {
		text := s.network()
		text = append(text, yaml.MapItem{Key: "name", Value: fmt.Sprintf("survey-%03d", i)}, yaml.MapItem{Key: "steps", Value: []any{step(s)}})
		b, err := yaml.Marshal(text)
		Expect(err).NotTo(HaveOccurred())
		Expect(os.WriteFile(filepath.Join(dir, fmt.Sprintf("survey-%03d.yaml", i)), b, 0o644)).To(Succeed())
	}
	r := u.run("--jobs", "24", dir) // nmap waits for what does not answer, and measures nothing
	Expect(r.document.Scenarios).To(HaveLen(len(all)), "%s%s", r.stdout, r.stderr)
	for i, s := range r.document.Scenarios {
		Expect(s.OK).To(BeTrue(), "%s: %s\n%s", all[i].name(), s.Error, r.stdout)
		steps = append(steps, s.Steps[0])
	}
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

// elsewhere tells whether answers come in by another interface than the SYNs leave
// by, on which nmap does not listen.
func elsewhere(p *report.PathDocument) bool {
	return p != nil && len(p.Nodes) > 1 && len(p.Return) > 1 && p.Nodes[1] != p.Return[len(p.Return)-2]
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
