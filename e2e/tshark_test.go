package e2e_test

import (
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios/report"
)

// segment is one that a node sent, as anybody may tell of it.
type segment struct {
	at         time.Time
	src, flags string
	seq, ack   uint32
	mss, scale string
}

// flagNames are TCP's, by their bits.
var flagNames = []struct {
	bit  uint64
	name string
}{{2, "SYN"}, {1, "FIN"}, {4, "RST"}, {16, "ACK"}}

// tshark reads the segments of a capture where their senders' links begin, their
// numbers relative.
func (u *user) tshark(file string, nodes map[string]string) (segments []segment) {
	GinkgoHelper()
	fields := []string{"frame.interface_name", "frame.time_epoch", "ip.src", "tcp.srcport", "tcp.flags", "tcp.seq", "tcp.ack", "tcp.options.mss_val", "tcp.options.wscale.shift"}
	args := []string{"-n", "-r", file, "-Y", "tcp", "-T", "fields", "-E", "separator=|"}
	for _, f := range fields {
		args = append(args, "-e", f)
	}
	out, err := u.command("tshark", args...).Output()
	Expect(err).NotTo(HaveOccurred())
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimSpace(line), "|")
		Expect(f).To(HaveLen(len(fields)), line)
		if !strings.HasSuffix(f[0], "@"+nodes[f[2]]) {
			continue
		}
		bits, err := strconv.ParseUint(f[4], 0, 16)
		Expect(err).NotTo(HaveOccurred())
		var flags []string
		for _, n := range flagNames {
			if bits&n.bit != 0 {
				flags = append(flags, n.name)
			}
		}
		whole, fraction, _ := strings.Cut(f[1], ".")
		s, err := strconv.ParseInt(whole, 10, 64)
		Expect(err).NotTo(HaveOccurred())
		ns, err := strconv.ParseInt(fraction, 10, 64)
		Expect(err).NotTo(HaveOccurred())
		segments = append(segments, segment{
			at: time.Unix(s, ns), src: f[2] + ":" + f[3], flags: strings.Join(flags, "-"),
			seq: number(f[5]), ack: number(f[6]), mss: f[7], scale: f[8],
		})
	}
	return segments
}

func number(text string) uint32 {
	GinkgoHelper()
	n, err := strconv.ParseUint(text, 10, 32)
	Expect(err).NotTo(HaveOccurred())
	return uint32(n)
}

// reported are the segments of a step's report, their numbers relative to the first of
// each sender.
func reported(s report.StepDocument) (segments []segment) {
	GinkgoHelper()
	first := map[string]uint32{}
	for _, j := range s.Journeys {
		p := j.Packet
		if p.Protocol != "tcp" {
			continue
		}
		if _, known := first[p.Src]; !known {
			// Wireshark takes a segment without SYN for one that has come after it.
			if first[p.Src] = *p.Seq; !strings.Contains(p.Flags, "SYN") {
				first[p.Src]--
			}
		}
		x := segment{at: s.Began.Add(time.Duration(j.Sightings[0].AtNS)), src: p.Src, flags: p.Flags, seq: *p.Seq - first[p.Src]}
		if p.Ack != nil {
			if _, known := first[p.Dst]; known {
				x.ack = *p.Ack - first[p.Dst]
			}
		}
		if o := p.Options; o != nil && strings.Contains(p.Flags, "SYN") {
			x.mss, x.scale = fmt.Sprint(o.MSS), fmt.Sprint(*o.WScale)
		}
		segments = append(segments, x)
	}
	return segments
}

// handshakeOf are the flags of a step's first three segments.
func handshakeOf(s report.StepDocument) (flags []string) {
	for _, x := range reported(s)[:3] {
		flags = append(flags, x.flags)
	}
	return flags
}

var _ = Describe("tshark", func() {
	names := []string{"handshake-100ms", "firewall-drop", "closed-port", "syn-lost"}
	eachJudge([]string{"tshark"}, func(u *user) {
		It("reads from the captures what the reports say", func() {
			dir := u.folder()
			args := []string{"--pcap", dir}
			for _, name := range names {
				args = append(args, filepath.Join(library, name+".yaml"))
			}
			r := u.run(args...)
			Expect(r.code).To(BeZero(), "%s%s", r.stdout, r.stderr)
			for i, name := range names {
				By(name)
				step := r.document.Scenarios[i].Steps[0]
				client, _, _ := strings.Cut(step.Local, ":")
				server, _, _ := strings.Cut(step.Remote, ":")
				seen := u.tshark(filepath.Join(dir, name+".pcapng"), map[string]string{client: step.From, server: step.Target})
				told := reported(step)
				Expect(len(seen)).To(BeNumerically(">=", len(told)))
				Expect(told).NotTo(BeEmpty())
				for i := range told {
					Expect(seen[i].at).To(BeTemporally("==", told[i].at), "%+v", told[i])
					seen[i].at, told[i].at = time.Time{}, time.Time{}
					Expect(seen[i]).To(Equal(told[i]))
				}
			}
		})
	})
})
