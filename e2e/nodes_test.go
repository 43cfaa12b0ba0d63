package e2e_test

import (
	. "github.com/onsi/ginkgo/v2"
	. "github.com/onsi/gomega"
)

var _ = Describe("a node", func() {
	It("serves in every way", func() {
		r := self.green(`
name: serves
nodes:
  client: {}
  server:
    listen:
      - {port: 7, serve: echo}
      - {port: 80, serve: http}
      - {port: 443, serve: https}
      - {port: 4433, serve: https, tls: "1.2"}
      - {port: 990, serve: tls}
      - {port: 21, serve: banner, banner: 220 welcome}
      - {port: 9, serve: silent}
      - {port: 14, serve: reset}
      - {port: 13, serve: close}
      - {port: 99, serve: no-accept}
links: [{between: [client, server], delay: 2ms}]
steps:
  - {connect: server:7, from: client, as: echo}
  - {exchange: echo, send: to be sent back, expect: {outcome: answered}}
  - {exchange: echo, send: and again, expect: {outcome: answered}}
  - {http: http://server/index.html, from: client, expect: {status: 200}}
  - {http: https://server/, from: client, expect: {status: 200, tls_time: ">= 2 rtt"}}
  - {http: "https://server:4433/", from: client, expect: {status: 200, tls_time: ">= 3 rtt"}}
  - {connect: server:990, from: client}
  - {connect: server:21, from: client, as: ftp}
  - {exchange: ftp, send: "USER me\r\n", expect: {outcome: answered}}
  - {connect: server:9, from: client, as: silent}
  - {exchange: silent, send: anybody?, timeout: 100ms, expect: {outcome: timed-out}}
  - {connect: server:14, from: client, as: reset}
  - {exchange: reset, send: hello, expect: {outcome: reset, error: ECONNRESET}}
  - {connect: server:13, from: client, as: closed}
  - {exchange: closed, send: hello, expect: {outcome: closed}}
  - {connect: server:99, from: client, as: queued}
`)
		answers := answered(r.steps())
		Expect(answers[0]).To(Equal("to be sent back"))
		Expect(answers[1]).To(Equal("and again"))
		Expect(answers[2]).To(HavePrefix("220 welcome"))
	})

	It("that never accepts fills its queue", func() {
		self.green(`
name: full
nodes:
  client: {}
  server: {listen: [{port: 80, serve: no-accept, backlog: 1}]}
links: [{between: [client, server], delay: 1ms}]
steps:
  - {connect: server:80, from: client, as: first}
  - {connect: server:80, from: client, as: second}
  - connect: server:80
    from: client
    timeout: 300ms
    expect: {outcome: timed-out, packets: {syn: 1, syn_ack: 0}, dropped: {at: server, cause: accept-queue-full}}
`)
	})

	It("changes its firewall, its servers, its sysctls and its routes", func() {
		self.green(`
name: changes
nodes:
  client: {}
  fw: {role: router}
  server: {listen: [{port: 80, serve: echo}]}
links:
  - {between: [client, fw], delay: 1ms}
  - {between: [fw, server], delay: 1ms}
steps:
  - {connect: server:80, from: client, as: open}
  - set: {node: fw, firewall: [{name: no-web, match: {proto: tcp, dport: 80, flags: SYN}, action: drop}]}
  - {connect: server:80, from: client, timeout: 200ms, expect: {outcome: timed-out, dropped: {at: fw, rule: no-web}}}
  - {exchange: open, send: still here, expect: {outcome: answered}}
  - set: {node: fw, firewall: [{name: no-net, match: {dport: 80, proto: tcp}, action: reject, with: net-unreachable}]}
  - {connect: server:80, from: client, expect: {outcome: network-unreachable, dropped: {at: fw, rule: no-net}}}
  - set: {node: fw, firewall: []}
  - {connect: server:80, from: client, expect: {outcome: connected}}

  - set: {node: server, listen: []}
  - {connect: server:80, from: client, expect: {outcome: refused}}
  - set: {node: server, listen: [{port: 8080, serve: http}]}
  - {connect: server:80, from: client, expect: {outcome: refused}}
  - {http: "http://server:8080/", from: client, expect: {status: 200}}

  - set: {node: client, sysctls: {net.ipv4.tcp_syn_retries: 4}}
  - {exec: [cat, /proc/sys/net/ipv4/tcp_syn_retries], from: client, expect: {stdout: "4"}}

  - set: {node: fw, routes: [{to: 203.0.113.0/24, via: unreachable}]}
  - {connect: "203.0.113.1:80", from: client, expect: {outcome: host-unreachable, dropped: {at: fw, cause: unreachable}}}
  - set: {node: fw, routes: []}
  - {connect: "203.0.113.1:80", from: client, expect: {outcome: network-unreachable, dropped: {at: fw, cause: no-route}}}
`)
	})

	It("has routes that say no", func() {
		self.green(`
name: no
nodes:
  client:
    routes:
      - {to: 192.0.2.1, via: blackhole}
      - {to: 192.0.2.2, via: unreachable}
      - {to: 192.0.2.3, via: prohibit}
      - {to: "2001:db8:ffff::/48", via: prohibit}
  r:
    role: router
    routes:
      - {to: 203.0.113.1, via: blackhole}
      - {to: 203.0.113.2, via: prohibit}
      - {to: "2001:db8:fffe::/48", via: unreachable}
  server: {}
links:
  - {between: [client, r]}
  - {between: [r, server]}
steps:
  - {connect: "192.0.2.1:80", from: client, expect: {outcome: failed, error: EINVAL, packets: {syn: 0}}}
  - {connect: "192.0.2.2:80", from: client, expect: {outcome: host-unreachable, error: EHOSTUNREACH, packets: {syn: 0}}}
  - {connect: "192.0.2.3:80", from: client, expect: {outcome: denied, error: EACCES, packets: {syn: 0}}}
  - {connect: "[2001:db8:ffff::1]:80", from: client, expect: {outcome: denied, error: EACCES, packets: {syn: 0}}}
  - {connect: "203.0.113.1:80", from: client, timeout: 200ms, expect: {outcome: timed-out, dropped: {at: r, cause: blackhole}}}
  - {connect: "203.0.113.2:80", from: client, expect: {outcome: host-unreachable, dropped: {at: r, cause: prohibit}}}
  - {connect: "[2001:db8:fffe::1]:80", from: client, expect: {outcome: network-unreachable, dropped: {at: r, cause: unreachable}}}
`)
	})

	It("has the addresses that are written out", func() {
		r := self.green(`
name: addresses
nodes:
  client: {addresses: [10.7.0.10/24, "fd00:7::10/64"]}
  r: {role: router, addresses: {client: 10.7.0.1/24}}
  server: {addresses: [192.0.2.200/28], listen: [{port: 80, serve: echo}]}
links:
  - {between: [client, r]}
  - {between: [r, server]}
steps:
  - {connect: server:80, from: client, expect: {seen_from: client}}
  - {connect: "192.0.2.200:80", from: client, expect: {seen_from: client}}
  - {connect: server:80, from: client, family: ipv6, expect: {seen_from: client}}
`)
		Expect(r.steps()[0].Remote).To(Equal("192.0.2.200:80"))
		Expect(r.steps()[0].Local).To(HavePrefix("10.7.0.10:"))
		Expect(r.steps()[0].SeenAddr).To(HavePrefix("10.7.0.10:"))
		Expect(r.steps()[2].Local).To(HavePrefix("[fd00:7::10]:"))
	})

	It("speaks IPv6", func() {
		r := self.green(`
name: six
nodes:
  client: {}
  r: {role: router, firewall: [{name: no-81, match: {proto: tcp, dport: 81}, action: reject, with: tcp-reset}]}
  server: {listen: [{port: 80, serve: echo}, {port: 443, serve: https}, {port: 81, serve: echo}]}
links:
  - {between: [client, r], delay: 5ms}
  - {between: [r, server], delay: 5ms}
steps:
  - connect: server:80
    from: client
    family: ipv6
    as: c
    expect:
      outcome: connected
      connect_time: ">= 1 rtt"
      accept_time: ">= 1.5 rtt"
      handshake: [SYN, SYN-ACK, ACK]
      packets: {syn: 1, syn_ack: 1}
      states: {client: [SYN-SENT, ESTABLISHED], server: [SYN-RECEIVED, ESTABLISHED]}
      seen_from: client
  - {exchange: c, send: over six, expect: {outcome: answered, elapsed: ">= 1 rtt"}}
  - {connect: server:81, from: client, family: ipv6, expect: {outcome: refused, dropped: {at: r, rule: no-81}}}
  - {connect: server:82, from: client, family: ipv6, expect: {outcome: refused, handshake: [SYN, RST]}}
  - {http: https://server/, from: client, family: ipv6, expect: {status: 200}}
`)
		for _, i := range []int{0, 2, 3, 4} {
			Expect(r.steps()[i].Remote).To(HavePrefix("["))
		}
	})

	It("resolves the names of all, in every node", func() {
		requirePrograms("getent") // it asks the C library for names
		self.green(`
name: names
nodes: {client: {}, fw: {role: router}, server: {}}
links:
  - {between: [client, fw]}
  - {between: [fw, server]}
steps:
  - {exec: getent hosts client && getent hosts fw && getent hosts server, from: client}
  - {exec: getent hosts client && getent hosts fw && getent hosts server, from: fw}
  - {exec: getent hosts client && getent hosts fw && getent hosts server, from: server}
  - {exec: [getent, ahostsv4, server], from: client, expect: {stdout: "/^198\\.18\\./"}}
  - {exec: [getent, ahostsv6, server], from: client, expect: {stdout: "/^2001:db8:/"}}
  - {exec: [getent, hosts, nobody], from: client, expect: {exit: 2}}
`)
	})
})

var _ = Describe("a NAT", func() {
	It("shows its own address outside, hides the inside, and forwards a port", func() {
		r := self.green(`
name: nat
nodes:
  laptop: {listen: [{port: 22, serve: banner, banner: laptop}]}
  home: {role: router, nat: {outside: internet, forward: [{port: 2222, to: "laptop:22"}]}}
  internet: {role: router}
  server: {listen: [{port: 80, serve: http}]}
links:
  - {between: [laptop, home], delay: 2ms}
  - {between: [home, internet], delay: 2ms}
  - {between: [internet, server], delay: 2ms}
steps:
  - {connect: server:80, from: laptop, expect: {seen_from: home, connect_time: ">= 1 rtt", handshake: [SYN, SYN-ACK, ACK]}}
  - {http: http://server/, from: laptop, expect: {status: 200}}
  - {connect: server:80, from: home, expect: {seen_from: home}}
  - {connect: home:2222, from: server, as: ssh, expect: {seen_from: server, handshake: [SYN, SYN-ACK, ACK], accept_time: ">= 1 owd"}}
  - {exchange: ssh, send: hello, expect: {outcome: answered, seen_from: server}}
  - {connect: laptop:22, from: server, timeout: 300ms, expect: {outcome: network-unreachable}}
`)
		Expect(answered(r.steps())[0]).To(HavePrefix("laptop"))
		Expect(r.steps()[0].SeenAddr).NotTo(Equal(r.steps()[0].Local))
	})
})
