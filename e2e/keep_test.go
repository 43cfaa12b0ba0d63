package e2e_test

import (
	"fmt"
	"os"
	"strings"
	"syscall"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"github.com/onsi/gomega/gbytes"
	"github.com/onsi/gomega/gexec"
)

// kept is a network to hold; %s is its name.
const kept = `
name: %s
nodes:
  client: {}
  fw: {role: router, firewall: [{name: no-81, match: {proto: tcp, dport: 81}, action: drop}]}
  server: {listen: [{port: 80, serve: http}]}
links:
  - {between: [client, fw]}
  - {between: [fw, server]}
steps:
  - {connect: server:80, from: client}
`

var _ = Describe("a network that is held open", func() {
	for _, u := range users() {
		Context("by "+u.name, func() {
			BeforeEach(u.requireSandbox)

			It("is entered by testbed exec", func() {
				name, session := u.hold("entered")
				in := func(node string, command ...string) result {
					GinkgoHelper()
					return u.testbed(append([]string{"exec", "--run", name, node, "--"}, command...)...)
				}
				By("its own interfaces, host name, names and routes")
				Expect(in("client", "ls", "/sys/class/net").stdout).To(Equal("eth0\nlo\n"))
				Expect(in("fw", "cat", "/proc/net/dev").stdout).To(And(ContainSubstring("eth0:"), ContainSubstring("eth1:")))
				Expect(in("server", "cat", "/proc/sys/kernel/hostname").stdout).To(Equal("server\n"))
				Expect(in("client", "cat", "/etc/hosts").stdout).To(MatchRegexp(`(?m)^198\.18\.\S+\s+server$`))
				Expect(in("fw", "cat", "/proc/sys/net/ipv4/ip_forward").stdout).To(Equal("1\n"))

				By("the exit code and the standard files of the command")
				Expect(in("client", "true").code).To(BeZero())
				r := in("client", "sh", "-c", "echo out; echo err >&2; exit 42")
				Expect([]any{r.code, r.stdout, r.stderr}).To(Equal([]any{42, "out\n", "err\n"}))
				Expect(in("client", "sh", "-c", "kill -TERM $$").code).To(Equal(128 + int(syscall.SIGTERM)))
				cat := u.command(program, "exec", "--run", name, "client", "--", "cat")
				cat.Stdin = strings.NewReader("through the node")
				out, err := cat.Output()
				Expect(err).NotTo(HaveOccurred())
				Expect(string(out)).To(Equal("through the node"))

				By("what is not there")
				r = in("cilent", "true")
				Expect(r.code).To(Equal(2))
				Expect(r.stderr).To(And(ContainSubstring(`no node "cilent"`), ContainSubstring("client, fw, server")))
				r = in("client", "no-such-program")
				Expect(r.code).To(Equal(127))
				Expect(r.stderr).To(ContainSubstring("no-such-program"))

				By("an end with Ctrl-C")
				session.Interrupt()
				Eventually(session).WithTimeout(gone).Should(gexec.Exit(0))
				r = in("client", "true")
				Expect(r.code).To(Equal(2))
				Expect(r.stderr).To(ContainSubstring("testbed: no "))
			})

			It("ends with what a visitor left in it", func() {
				name, session := u.hold("visited")
				before := takeSnapshot()
				visitor := u.command(program, "exec", "--run", name, "server", "--", "sleep", "1000")
				Expect(visitor.Start()).To(Succeed())
				background := u.testbed("exec", "--run", name, "server", "--", "sh", "-c", "sleep 1000 >/dev/null 2>&1 & echo $!")
				Expect(background.code).To(BeZero())
				session.Interrupt()
				Eventually(session).WithTimeout(gone).Should(gexec.Exit(0))
				Expect(visitor.Wait()).NotTo(Succeed())
				Eventually(func() []string { return takeSnapshot().program }).WithTimeout(gone).Should(BeEmpty())
				Expect(takeSnapshot().host).To(Equal(before.host))
			})
		})
	}

	It("is named when there are several", func() {
		u := self
		if os.Geteuid() == 0 {
			// One whom nobody else is, whose only kept runs are these.
			id := uint32(200000 + os.Getpid()%50000)
			u = newUser("somebody", &syscall.Credential{Uid: id, Gid: id})
			u.requireSandbox()
		}
		first, _ := u.hold("first")
		if u != self {
			Expect(u.testbed("exec", "client", "--", "true").code).To(BeZero(), "the only one needs no name")
		}
		second, session := u.hold("second")

		r := u.testbed("exec", "client", "--", "true")
		Expect(r.code).To(Equal(2))
		Expect(r.stderr).To(And(ContainSubstring("choose one with --run"), ContainSubstring(first), ContainSubstring(second)))

		Expect(u.testbed("exec", "--run", first, "client", "--", "true").code).To(BeZero())
		pid := fmt.Sprint(session.Command.Process.Pid)
		Expect(u.testbed("exec", "--run", pid, "server", "--", "cat", "/proc/sys/kernel/hostname").stdout).To(Equal("server\n"))

		r = u.testbed("exec", "--run", "third", "client", "--", "true")
		Expect(r.code).To(Equal(2))
		Expect(r.stderr).To(And(ContainSubstring(`no kept run is named "third"`), ContainSubstring(first), ContainSubstring(second)))
	})

	if os.Geteuid() == 0 { // who can be two users
		It("is closed to other users", func() {
			ordinary.requireSandbox()
			name, _ := ordinary.hold("private")
			somebody := newUser("somebody else", &syscall.Credential{Uid: 65533, Gid: 65533})
			r := somebody.testbed("exec", "--run", name, "client", "--", "true")
			Expect(r.code).To(Equal(2))
		})
	}

	It("exits with the verdict", func() {
		name, file := unique("unmet"), ""
		file = self.scenario(strings.Replace(fmt.Sprintf(kept, name), "server:80", "server:82", 1))
		session := self.start(file)
		Expect(self.testbed("exec", "--run", name, "client", "--", "true").code).To(BeZero())
		session.Interrupt()
		Eventually(session).WithTimeout(gone).Should(gexec.Exit(1))
	})
})

// hold holds a network open, under a name that no other run has.
func (u *user) hold(name string) (string, *gexec.Session) {
	GinkgoHelper()
	name = unique(name)
	return name, u.start(u.scenario(fmt.Sprintf(kept, name)))
}

// unique is a name for a run that nobody else uses.
func unique(name string) string { return fmt.Sprintf("%s-%d", name, os.Getpid()) }

// start runs a scenario with --keep and waits until its network is held. It ends
// with the spec.
func (u *user) start(file string) *gexec.Session {
	GinkgoHelper()
	session, err := gexec.Start(u.command(program, "run", "--keep", file), nil, nil)
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(func() { session.Kill().Wait(gone) })
	Eventually(session.Out).WithTimeout(gone).Should(gbytes.Say("is held open"))
	Eventually(session.Out).WithTimeout(gone).Should(gbytes.Say("testbed exec client -- sh"))
	Eventually(session.Out).WithTimeout(gone).Should(gbytes.Say("Ctrl-C ends it"))
	return session
}
