package e2e_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

// nginx writes a configuration for one process that needs no privilege, and is the
// command line that runs it.
func (u *user) nginx() string {
	GinkgoHelper()
	dir := u.folder()
	config := filepath.Join(dir, "nginx.conf")
	Expect(os.WriteFile(config, fmt.Appendf(nil, `
user root root;
daemon off;
master_process off;
error_log stderr;
pid %[1]s/pid;
events {}
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  server {
    listen 80;
    listen [::]:80;
    location / { return 200 hello; }
    location /missing { return 404; }
    location /nothing { return 444; }
  }
}
`, dir), 0o644)).To(Succeed())
	return fmt.Sprintf("exec nginx -e stderr -p %s -c %s", dir, config)
}

var _ = Describe("nginx", func() {
	eachJudge([]string{"nginx"}, func(u *user) {
		It("is served by as the agents' own server is", func() {
			r := u.run(u.scenario(fmt.Sprintf(`name: nginx
nodes:
  client: {}
  fw: {role: router, firewall: [{name: no-8080, match: {proto: tcp, dport: 8080}, action: reject, with: tcp-reset}]}
  server: {listen: [{port: 81, serve: http}, {port: 82, serve: close}]}
links: [{between: [client, fw], delay: 20ms}, {between: [fw, server], delay: 30ms}]
steps:
  - {exec: %q, from: server, background: true, ready: 80}
  - {http: "http://server/", from: client}
  - {http: "http://server:81/", from: client}
  - {http: "http://server/nothing", from: client}
  - {http: "http://server:82/", from: client}
  - {http: "http://server/missing", from: client, family: ipv6, expect: {status: 404}}
  - {http: "http://server:8080/", from: client, expect: {outcome: refused}}
`, u.nginx())))
			s := r.steps()
			Expect(s).To(HaveLen(7), "%s%s", r.stdout, r.stderr)
			Expect(unmet(s[0])).To(BeEmpty(), r.stdout)
			nginx, own := s[1], s[2]
			Expect([]int{nginx.Status, own.Status}).To(Equal([]int{200, 200}), r.stdout)
			Expect(handshakeOf(nginx)).To(Equal(handshakeOf(own)))
			Expect([]string{s[3].Outcome, s[4].Outcome}).To(Equal([]string{"closed", "closed"}), r.stdout)
			Expect(unmet(s[5])).To(BeEmpty(), r.stdout)
			Expect(unmet(s[6])).To(BeEmpty(), r.stdout)
		})

		It("ends with the scenario", func() {
			line := u.nginx()
			u.green(fmt.Sprintf("name: ends\nnodes: {server: {}}\nsteps: [{exec: %q, from: server, background: true, ready: 80}, {exec: pgrep -f nginx.conf, from: server}]\n", line))
			for _, pid := range processes() {
				arguments, _ := os.ReadFile(filepath.Join("/proc", pid, "cmdline"))
				Expect(string(arguments)).NotTo(ContainSubstring(line[strings.LastIndex(line, "/")-10:]))
			}
		})

		It("is found out when it cannot start", func() {
			r := u.run(u.scenario("name: broken\nnodes: {server: {}}\nsteps: [{exec: nginx -e stderr -c /no-such-file, from: server, background: true, ready: 80}]\n"))
			Expect(r.code).To(Equal(1))
			Expect(r.steps()[0].Explanation).To(ContainSubstring("ended after"))
			Expect(r.steps()[0].Command.Exit).To(Equal(1))
			Expect(r.steps()[0].Command.Stderr).To(ContainSubstring("no-such-file"))
		})
	})
})
