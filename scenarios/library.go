// Package scenarios holds the scenarios that come with the testbed. Each shows
// one behaviour of TCP/IP and states what must be observed.
package scenarios

import "embed"

// Library is the scenario files, at its root: Library.ReadFile("closed-port.yaml").
// Those of the folder slow would take minutes to hours on the host's clock; they are
// meant for the virtual one.
//
//go:embed *.yaml slow/*.yaml
var Library embed.FS
