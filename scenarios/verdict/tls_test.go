package verdict

import (
	"testing"

	"testbed/agents"
	"testbed/scenarios/spec"
)

func TestTLS(t *testing.T) {
	yes, no := true, false
	for _, c := range []struct {
		name    string
		version string
		resumed bool
		expect  spec.Expect
		want    string
	}{
		{"the version", "1.3", false, spec.Expect{TLSVersion: "1.3"}, "status ok, tls_version ok"},
		{"another version", "1.2", false, spec.Expect{TLSVersion: "1.3"}, "status ok, tls_version violated"},
		{"resumed", "1.3", true, spec.Expect{Resumed: &yes}, "status ok, resumed ok"},
		{"not resumed", "1.3", false, spec.Expect{Resumed: &yes}, "status ok, resumed violated"},
		{"a full handshake", "1.3", false, spec.Expect{Resumed: &no}, "status ok, resumed ok"},
		{"resumed, and was not to be", "1.2", true, spec.Expect{Resumed: &no}, "status ok, resumed violated"},
		{"no handshake", "", false, spec.Expect{TLSVersion: "1.3", Resumed: &no}, "status ok, tls_version violated, resumed violated"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := &Observation{Kind: HTTP, Outcome: agents.Connected, Status: 200, TLSVersion: c.version, Resumed: c.resumed}
			if got := told(Judge(&spec.Step{HTTP: &spec.HTTP{}, Expect: &c.expect}, o)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
