package qdisc

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

// Supported tells whether the running kernel has what a Medium needs, and whether
// its netem takes a seed (Linux 6.6). If something is missing, the error is a
// *sandbox.Unavailable that names it. The kernel itself loads what it has as
// modules. The program must be in a sandbox.
func Supported() (seeds bool, err error) {
	ns, err := netns.New()
	if err != nil {
		return false, fmt.Errorf("look for the kernel's netem: %w", err)
	}
	defer ns.Close()
	c, err := dial(ns)
	if err != nil {
		return false, fmt.Errorf("look for the kernel's netem: %w", err)
	}
	defer c.close()
	if err := c.probe(); err != nil {
		return false, err
	}
	s, err := newSteering(ns)
	if err != nil {
		return false, err
	}
	defer s.close()
	if err := s.steer("lo", 0); err != nil {
		return false, err
	}
	q, err := c.readQdisc(loopback, rootParent)
	if err != nil {
		return false, fmt.Errorf("look at the kernel's netem: %w", err)
	}
	p, err := decode(q.options)
	return p.seed == probeSeed, err
}

// loopback is the ifindex of a fresh namespace's only interface.
const loopback = 1

// probeSeed is a seed that no netem has by itself.
const probeSeed = 0x7465737462656400

// piece is something that the kernel may lack.
type piece struct {
	name, option string
	try          func(*conn) error
}

// pieces are tried on the loopback interface, each with what comes before it.
var pieces = []piece{
	{"sch_netem", "NET_SCH_NETEM", func(c *conn) error {
		all := parameters{limit: room, rate: atOnce, seed: probeSeed}
		return c.setQdisc(create, loopback, rootParent, netemHandle, "netem", all.encode())
	}},
	{"act_police", "NET_ACT_POLICE", func(c *conn) error { return c.setAction(create, policing(loopback, nothing)) }},
	{"act_mirred", "NET_ACT_MIRRED", func(c *conn) error { return c.setAction(create, redirection(loopback, loopback)) }},
	{"sch_ingress", "NET_SCH_INGRESS", func(c *conn) error {
		return c.setQdisc(create, loopback, clsactParent, clsactHandle, "clsact", nil)
	}},
	{"cls_matchall", "NET_CLS_MATCHALL", func(c *conn) error { return c.addFilter(loopback) }},
}

func (c *conn) probe() error {
	var modules, options, said []string
	var first error
	for _, p := range pieces {
		if err := p.try(c); err != nil {
			modules, options = append(modules, p.name), append(options, "CONFIG_"+p.option)
			said = append(said, fmt.Sprintf("%s: %v", p.name, err))
			first = cmp.Or(first, err)
			if p.name == "sch_ingress" {
				break // no filter without it
			}
		}
	}
	if modules == nil {
		return nil
	}
	return &sandbox.Unavailable{
		Missing: "netem in this kernel, which lacks " + strings.Join(modules, ", "),
		Err:     &refusals{strings.Join(said, "; "), first},
		Remedy: fmt.Sprintf("Load what it has as modules: modprobe -a %s.\n"+
			"On Ubuntu they are in the package linux-modules-extra-$(uname -r), on Fedora in kernel-modules-extra.\n"+
			"Or use a kernel with %s, as most distributions' are.\n"+
			"Or let the user-space wire carry the links: --links=wire.", strings.Join(modules, " "), strings.Join(options, ", ")),
	}
}

// refusals are what the kernel said, on one line, and the first of it.
type refusals struct {
	text  string
	first error
}

func (r *refusals) Error() string { return r.text }
func (r *refusals) Unwrap() error { return r.first }

// Check says what of an impairment the kernel's netem can't bring about as package
// netem means it. The error is a *sandbox.Unavailable that wraps
// errors.ErrUnsupported. What the running kernel can't, it says itself when the
// impairment is set.
func Check(i netem.Impairment) error {
	var what, why []string
	lack := func(name, reason string) { what, why = append(what, name), append(why, reason) }
	if i.Faults != nil && len(*i.Faults) > 0 {
		lack("faults of single packets", "it decides by chance alone")
	}
	if i.Corrupt > 0 {
		lack("corruption of packets alone", "it flips bits of Ethernet headers too, and of no more than what the kernel keeps in one piece")
	}
	if i.JitterCorrelation > 0 && i.Jitter > 0 {
		lack("correlated jitter of the right spread", "its correlation narrows the distribution")
	}
	if i.Queue.Bytes > 0 {
		lack("queue in bytes", "it counts what waits in packets")
	}
	if i.Rate > 0 && i.Duplicate > 0 && i.Losses() != (netem.GilbertElliott{}) {
		lack("rate for a link that both loses and duplicates", "it decides both at once, and neither as asked")
	}
	if i.Jitter > math.MaxInt32 {
		lack(fmt.Sprintf("jitter of %v", i.Jitter), fmt.Sprintf("it knows none above %v", time.Duration(math.MaxInt32)))
	}
	if early := earliest(i); early+sinceBoot() < 0 {
		lack(fmt.Sprintf("jitter that makes frames %v early", -early), "this machine booted after that: it would hold them for ever")
	}
	if what == nil {
		return nil
	}
	return &sandbox.Unavailable{
		Missing: strings.Join(what, ", no ") + " in the kernel's netem",
		Err:     fmt.Errorf("%s: %w", strings.Join(why, "; "), errors.ErrUnsupported),
		Remedy:  "The user-space wire can do it: --links=wire, or leave --links=kernel away.",
	}
}

// earliest is the least time that a frame draws, which may be less than nothing.
// netem adds it to its clock, whose negative times are to it the far future.
func earliest(i netem.Impairment) time.Duration {
	return i.Delay + time.Duration(i.Distribution.Quantile(0)*float64(i.Jitter))
}

// sinceBoot is netem's clock.
func sinceBoot() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &t); err != nil {
		return math.MaxInt64 / 2
	}
	return time.Duration(t.Nano())
}
