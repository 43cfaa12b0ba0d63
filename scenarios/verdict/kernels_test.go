package verdict

import (
	"strings"
	"testing"

	"testbed/scenarios/spec"
)

// TestKernels holds that what is expected of some kernels only is expected of
// these, and that its checks say so.
func TestKernels(t *testing.T) {
	const file = `name: a
nodes: {client: {}, server: {}}
links: [{between: [client, server], delay: 100ms}]
steps:
  - connect: server:80
    from: client
    expect:
      connect_time: 1 rtt
      kernels:
        ">= 6.5": {packets: {syn: 1}, outcome: connected}
        "< 6.5": {packets: {syn: 3}}
        "6.1": {handshake: [SYN, RST]}
`
	sc, err := spec.Decode("a.yaml", []byte(file))
	if err != nil {
		t.Fatal(err)
	}
	for kernel, want := range map[string]string{
		"6.18.5":         "outcome ok >= 6.5, connect_time ok, packets ok >= 6.5",
		"6.4.16-arch":    "outcome ok, connect_time ok, packets failed < 6.5",
		"6.1.0-37-cloud": "connect_time ok, handshake failed 6.1, packets failed < 6.5",
		"unknown":        "kernels failed, outcome ok, connect_time ok",
	} {
		o := connected()
		o.Kernel = kernel
		v := Judge(&sc.Steps[0], o)
		var got []string
		for _, c := range v.Checks {
			word := "ok"
			if !c.OK {
				word = "failed"
			}
			got = append(got, strings.TrimSpace(c.Key+" "+word+" "+c.Kernels))
		}
		if s := strings.Join(got, ", "); s != want || v.OK == strings.Contains(s, "failed") {
			t.Errorf("%s: %s, want %s", kernel, s, want)
		}
	}
}
