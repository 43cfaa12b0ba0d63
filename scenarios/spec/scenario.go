// Package spec decodes scenario files into plain, validated data. It makes no
// system call and touches no network.
package spec

import "testbed/topo"

// Scenario is a validated scenario: a network, what happens on it, and what
// must be observed.
type Scenario struct {
	// File is the path it was read from, as given.
	File string
	// Source is the file's text; DecodeFile keeps it.
	Source  []byte
	Name    string
	Summary string
	Tags    []string
	// Clock is empty where the file names none.
	Clock Clock
	// Kernels are those that it is for, nil for all.
	Kernels  *Kernels
	Topology topo.Topology
	Steps    []Step
	// Repeat is how many times it is run; 0 is once.
	Repeat int
	// Cells are a scenario for each combination of the values of its matrix; nil
	// without one. The scenario itself is then like the first of them. Cell are the
	// values of a scenario that is a cell.
	Cells []*Scenario
	Cell  []Assignment
	// Number is the cell's place among all of its file, from 0.
	Number int
	// Mutations are changes of the network of which each must turn the scenario red;
	// see Mutated.
	Mutations []Set
	// Mutation is the number of the one that this scenario begins with, from 1; 0 for
	// none.
	Mutation int
}

// Clock is what a scenario's time passes by.
type Clock string

// The clocks.
const (
	// HostClock is the host's: a second takes a second.
	HostClock Clock = "host"
	// VirtualClock is that of a guest, which jumps over idle time.
	VirtualClock Clock = "virtual"
)
