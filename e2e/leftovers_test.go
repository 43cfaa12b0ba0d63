package e2e_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
	"golang.org/x/sys/unix"

	"testbed/observe/kernel"
	"testbed/scenarios/report"
	"testbed/topo/sandbox"
)

// busy takes a while, and has everything that a run can have: links of both
// kinds, rules, a connection, and programs in the foreground and background.
const busy = `
name: busy
nodes:
  client: {}
  fw: {role: router, firewall: [{name: none, match: {proto: tcp, dport: 81}, action: drop}]}
  server: {listen: [{port: 80, serve: http}]}
links:
  - {between: [client, fw], delay: 5ms}
  - {between: [fw, server]}
steps:
  - {connect: server:80, from: client, as: c}
  - {exec: sleep 1000 & echo started, from: server}
  - {exec: touch %s, from: client}
  - {exec: [sleep, "1000"], from: client}
`

// gone is how long it may take until nothing of a run is left: the kernel
// destroys namespaces in its own time.
const gone = 30 * time.Second

var _ = Describe("a run", func() {
	It("leaves the host as it was", func() {
		before := takeSnapshot()
		r := self.run(filepath.Join(library, "closed-port.yaml"))
		Expect(r.code).To(BeZero())
		Eventually(takeSnapshot).WithTimeout(gone).Should(Equal(before))
	})

	It("touches nothing of the host while it runs", func() {
		before := takeSnapshot()
		u := self.begin(busy)
		u.waitUntilBusy()
		Expect(takeSnapshot().host).To(Equal(before.host))
		Expect(u.left().processes).NotTo(BeEmpty())
		Expect(u.left().namespaces).NotTo(BeEmpty())
		u.kill(u.cmd.Process.Pid)
		u.leavesNothing()
	})

	It("gives every namespace back to the kernel as soon as it ends, with connections open and others that nobody answers", func() {
		if !kernel.AbortsUnowned() {
			sandbox.SkipOrFail(GinkgoT(), errors.New("kernels before 6.11 keep the namespaces of what nobody answers for some minutes"))
		}
		withinBudget(0, "", 4, strings.Split(busy, "  - {exec")[0]+
			"  - {connect: server:80, from: client, as: d}\n"+
			"  - {set: {link: [fw, server], up: false}}\n"+
			"  - {close: d}\n")
	})

	for _, u := range users() {
		It("leaves nothing when it is killed at any moment, as "+u.name, func() {
			u.requireSandbox()
			for i, after := range moments() {
				By(fmt.Sprintf("kill %d, after %v", i+1, after))
				r := u.begin(busy)
				<-time.After(after)
				r.kill(r.cmd.Process.Pid)
				r.leavesNothing()
			}
		})

		It("leaves nothing when its second process is killed at any moment, as "+u.name, func() {
			u.requireSandbox()
			for i, after := range moments() {
				By(fmt.Sprintf("kill %d, after %v", i+1, after))
				r := u.begin(busy)
				var inner int
				Eventually(func() bool { inner = child(r.cmd.Process.Pid); return inner > 0 }).WithTimeout(gone).WithPolling(time.Millisecond).Should(BeTrue())
				<-time.After(after)
				r.kill(inner)
				Expect(r.cmd.ProcessState.ExitCode()).To(Equal(128 + int(unix.SIGKILL)))
				r.leavesNothing()
			}
		})
	}

	It("gives every namespace back to the kernel, also when it is killed", func() {
		// What a connection holds when its ends are killed, the kernel gives back after the
		// retransmissions of their FINs (tcp_orphan_retries in ip-sysctl): in two minutes.
		const connects = "  - {connect: server:80, from: client, as: c}\n"
		text := fmt.Sprintf(strings.Replace(busy, connects, "  - {wait: 1ms}\n", 1), filepath.Join(GinkgoT().TempDir(), "reached"))
		Expect(text).NotTo(ContainSubstring("connect:"))
		withinBudget(10, text, 1, strings.Split(text, "  - {exec")[0])
	})

	It("that is interrupted says what it has done, and ends with 130", func() {
		r := self.begin(busy)
		r.waitUntilBusy()
		Expect(r.cmd.Process.Signal(os.Interrupt)).To(Succeed())
		Expect(r.wait()).To(Equal(130), r.output.String())
		Expect(r.output.String()).To(ContainSubstring("✓ connect server:80 from client"))
		Expect(r.output.String()).To(ContainSubstring("interrupted"))

		b, err := os.ReadFile(r.report)
		Expect(err).NotTo(HaveOccurred())
		var d report.Document
		Expect(json.Unmarshal(b, &d)).To(Succeed())
		Expect(d.OK).To(BeFalse())
		Expect(d.Scenarios[0].Interrupted).To(BeTrue())
		// The third step may still be ending when its file is seen.
		Expect(len(d.Scenarios[0].Steps)).To(BeElementOf(2, 3))
		r.leavesNothing()
	})

	It("that is asked to end by another signal ends as well", func() {
		r := self.begin(busy)
		r.waitUntilBusy()
		Expect(r.cmd.Process.Signal(syscall.SIGTERM)).To(Succeed())
		Expect(r.wait()).To(Equal(130), r.output.String())
		r.leavesNothing()
	})
})

// withinBudget kills run after run of a scenario, and then wants others of another one
// to succeed, where only a few network namespaces may exist at once
// (user_namespaces(7)): one that a run left would be missing.
func withinBudget(kills int, killed string, runs int, ended string) {
	GinkgoHelper()
	c := exec.Command("sh", "-c", namespaceBudget, "sh", program, strconv.Itoa(kills), self.scenario(killed), strconv.Itoa(runs), self.scenario(ended))
	c.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  unix.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}},
	}
	out, err := c.CombinedOutput()
	Expect(err).NotTo(HaveOccurred(), "%s", out)
}

// namespaceBudget is what withinBudget does. The kernel destroys namespaces in its own
// time, but in seconds.
const namespaceBudget = `
program=$1 kills=$2 killed=$3 runs=$4 ended=$5
echo 2 > /proc/sys/user/max_net_namespaces || exit 1
if "$program" run "$ended" >/dev/null 2>&1; then echo "the limit has no effect"; exit 1; fi
echo 10 > /proc/sys/user/max_net_namespaces || exit 1
for i in $(seq 0 $((kills - 1))); do
	"$program" run "$killed" >/dev/null 2>&1 & pid=$!
	sleep 0.0$i
	kill -KILL $pid
	wait $pid 2>/dev/null
done
for i in $(seq $runs); do
	began=$(date +%s)
	until out=$("$program" run --story never "$ended" 2>&1); do
		if [ $(($(date +%s) - began)) -ge 30 ]; then echo "$out"; exit 1; fi
		sleep 0.2
	done
done
`

// moments are random, from the suite's seed: how long after its start a run is
// killed.
func moments() (list []time.Duration) {
	r := rand.New(rand.NewPCG(uint64(GinkgoRandomSeed()), 1))
	for range 15 {
		list = append(list, time.Duration(r.Int64N(int64(400*time.Millisecond))))
	}
	return list
}

// running is a run that has not ended, and a mark in its environment that all of
// its processes inherit.
type running struct {
	user            *user
	cmd             *exec.Cmd
	mark            string
	reached, report string
	output          *bytes.Buffer
	ended           chan struct{}
	before          snapshot
}

// begin starts a run of a scenario, in whose text %s stands for a file that it
// makes once it is busy.
func (u *user) begin(text string, flags ...string) *running {
	GinkgoHelper()
	dir := u.folder()
	r := &running{
		user: u, mark: fmt.Sprintf("TESTBED_E2E=%d-%d", os.Getpid(), rand.Uint64()),
		reached: filepath.Join(dir, "reached"), report: filepath.Join(dir, "report.json"),
		output: &bytes.Buffer{}, ended: make(chan struct{}), before: takeSnapshot(),
	}
	file := u.scenario(strings.Replace(text, "%s", r.reached, 1))
	r.cmd = u.command(program, append([]string{"run", "--json", r.report, file}, flags...)...)
	r.cmd.Env = append(r.cmd.Env, r.mark)
	r.cmd.Stdout, r.cmd.Stderr = r.output, r.output
	Expect(r.cmd.Start()).To(Succeed())
	// A program that the run left behind must not keep Wait from returning.
	r.cmd.WaitDelay = gone
	go func() {
		defer close(r.ended)
		r.cmd.Wait()
	}()
	DeferCleanup(func() { r.cmd.Process.Kill(); <-r.ended })
	return r
}

// waitUntilBusy waits for the step that says so.
func (r *running) waitUntilBusy() {
	GinkgoHelper()
	Eventually(func() error { _, err := os.Stat(r.reached); return err }).WithTimeout(gone).WithPolling(5 * time.Millisecond).Should(Succeed())
}

// kill kills a process and waits for the run's end.
func (r *running) kill(pid int) {
	GinkgoHelper()
	Expect(syscall.Kill(pid, syscall.SIGKILL)).To(Succeed())
	r.wait()
}

// wait waits for the run's end and returns its exit code.
func (r *running) wait() int {
	GinkgoHelper()
	Eventually(r.ended).WithTimeout(gone).Should(BeClosed())
	return r.cmd.ProcessState.ExitCode()
}

// leavesNothing waits until no process and no namespace of the run is there, and
// the host is as it was.
func (r *running) leavesNothing() {
	GinkgoHelper()
	Eventually(r.left).WithTimeout(gone).WithPolling(10 * time.Millisecond).Should(Equal(remains{}))
	Expect(takeSnapshot()).To(Equal(r.before))
}

// remains are what processes of a run are there, and their network namespaces.
type remains struct{ processes, namespaces []string }

func (r *running) left() (m remains) {
	for _, pid := range processes() {
		env, err := os.ReadFile(filepath.Join("/proc", pid, "environ"))
		if err != nil || !slices.Contains(strings.Split(string(env), "\x00"), r.mark) {
			continue
		}
		line, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
		m.processes = append(m.processes, pid+" "+strings.ReplaceAll(string(line), "\x00", " "))
		if ns, err := os.Readlink(filepath.Join("/proc", pid, "ns/net")); err == nil && !slices.Contains(m.namespaces, ns) {
			m.namespaces = append(m.namespaces, ns)
		}
	}
	return m
}
