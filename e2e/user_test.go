package e2e_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"

	"testbed/scenarios/report"
	"testbed/topo/sandbox"
)

// user is who runs the program.
type user struct {
	name string
	// credential is nil for the user who runs the tests.
	credential *syscall.Credential
	doctor     func() (text string, code int)
}

// self runs the tests; ordinary is somebody without any privilege, who can be
// tried when root runs them.
var (
	self     = newUser("the current user", nil)
	ordinary = newUser("an ordinary user", &syscall.Credential{Uid: 65534, Gid: 65534})
)

func newUser(name string, c *syscall.Credential) *user {
	u := &user{name: name, credential: c}
	u.doctor = sync.OnceValues(func() (string, int) {
		r := u.testbed("doctor")
		return r.stdout, r.code
	})
	return u
}

// users are all that can be tried.
func users() []*user {
	if os.Geteuid() == 0 {
		return []*user{self, ordinary}
	}
	return []*user{self}
}

// requireSandbox skips a spec where the program says that this host does not
// have what networks need for that user. It fails there if features are required.
func (u *user) requireSandbox() {
	GinkgoHelper()
	text, code := u.doctor()
	if code == sandbox.ExitUnavailable {
		sandbox.SkipOrFail(GinkgoT(), errors.New("this host can't run networks for "+u.name+":\n"+text))
	}
	Expect(code).To(BeZero(), "testbed doctor, as %s:\n%s", u.name, text)
}

// has tells whether the doctor found a feature.
func (u *user) has(feature string) bool {
	text, _ := u.doctor()
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, "ok "); ok && strings.HasPrefix(strings.TrimSpace(rest), feature) {
			return true
		}
	}
	return false
}

// folder is a fresh one that the user may write to.
func (u *user) folder() string {
	GinkgoHelper()
	dir := GinkgoT().TempDir()
	if u.credential == nil {
		return dir
	}
	// TempDir's parents are closed to others.
	dir, err := os.MkdirTemp("", "testbed-e2e-user-")
	Expect(err).NotTo(HaveOccurred())
	DeferCleanup(os.RemoveAll, dir)
	Expect(os.Chown(dir, int(u.credential.Uid), int(u.credential.Gid))).To(Succeed())
	return dir
}

// command is a program that the user runs.
func (u *user) command(name string, args ...string) *exec.Cmd {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), "TERM=dumb", "LC_ALL=C")
	if u.credential != nil {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: u.credential}
		c.Env = append(c.Env, "HOME=/")
		c.Dir = "/"
	}
	return c
}

// result is how the program ended.
type result struct {
	code           int
	stdout, stderr string
	wall           time.Duration
	// document is the JSON report, if there is one.
	document report.Document
}

// testbed runs the program to its end.
func (u *user) testbed(args ...string) result {
	GinkgoHelper()
	var stdout, stderr strings.Builder
	c := u.command(program, args...)
	c.Stdout, c.Stderr = &stdout, &stderr
	began := time.Now()
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		Expect(err).NotTo(HaveOccurred())
	}
	return result{code: c.ProcessState.ExitCode(), stdout: stdout.String(), stderr: stderr.String(), wall: time.Since(began)}
}

// run runs scenario files and reads the JSON report, which must be there.
func (u *user) run(args ...string) result {
	GinkgoHelper()
	file := filepath.Join(u.folder(), "report.json")
	r := u.testbed(append([]string{"run", "--json", file}, args...)...)
	b, err := os.ReadFile(file)
	Expect(err).NotTo(HaveOccurred(), "%s%s", r.stdout, r.stderr)
	Expect(json.Unmarshal(b, &r.document)).To(Succeed())
	return r
}

// scenario is a file for this text.
func (u *user) scenario(text string) string {
	GinkgoHelper()
	file := filepath.Join(u.folder(), "scenario"+strconv.Itoa(len(text))+".yaml")
	Expect(os.WriteFile(file, []byte(text), 0o644)).To(Succeed())
	return file
}

// green runs a scenario that must pass.
func (u *user) green(text string) result {
	GinkgoHelper()
	r := u.run(u.scenario(text))
	Expect(r.code).To(BeZero(), "%s%s\n%s", r.stdout, r.stderr, text)
	Expect(r.document.OK).To(BeTrue())
	return r
}

// steps are those of the only scenario.
func (r *result) steps() []report.StepDocument {
	GinkgoHelper()
	Expect(r.document.Scenarios).To(HaveLen(1))
	return r.document.Scenarios[0].Steps
}

// unmet are the keys of the checks of a step that failed.
func unmet(s report.StepDocument) (keys []string) {
	for _, c := range s.Checks {
		if !c.OK {
			keys = append(keys, c.Key)
		}
	}
	return keys
}
