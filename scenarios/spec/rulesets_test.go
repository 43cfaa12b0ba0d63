package spec_test

import (
	"testing"

	"testbed/scenarios/spec"
)

func TestMisplacedSysctl(t *testing.T) {
	s := &spec.Scenario{File: "a.yaml", Source: []byte("nodes:\n  a: {sysctls: {net.ipv4.x.y: 1}}\n  b: {sysctls: {\"net.ipv4.x.y?\": 12}}\n  c:\n    sysctls:\n      net.ipv4.tcp_rmem: 4096 131072\n")}
	for _, c := range []struct {
		name, value  string
		line, column int
	}{
		{"net.ipv4.x.y", "1", 2, 31},
		{"net.ipv4.x.y", "12", 3, 34},
		{"net.ipv4.tcp_rmem", "4096 131072", 6, 26},
		{"net.ipv4.x.y", "2", 0, 0},
		{"net.ipv4.x", "1", 0, 0},
	} {
		p, ok := s.MisplacedSysctl(c.name, c.value, "no")
		if ok != (c.line != 0) || p.Line != c.line || p.Column != c.column {
			t.Errorf("%s: %s is at %d:%d (%t), want %d:%d", c.name, c.value, p.Line, p.Column, ok, c.line, c.column)
		}
	}
}
