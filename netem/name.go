package netem

// MediumName names a medium, or asks for one.
type MediumName string

// Auto asks for the kernel's netem where the kernel has it and it can do all that is
// asked of the links, and else for the wire.
const (
	Auto   MediumName = "auto"
	Kernel MediumName = "kernel"
	Wire   MediumName = "wire"
)

// MediumNames are all of them.
var MediumNames = []MediumName{Auto, Kernel, Wire}
