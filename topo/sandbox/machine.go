package sandbox

// OwnMachine says that the whole machine is the program's own: it is the first
// process of a virtual machine, and needs no namespaces around it. Call it at the
// beginning of main or TestMain.
func OwnMachine() {
	inside = true
	wakeSoon()
	takePlaces()
}
