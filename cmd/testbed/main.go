// Command testbed builds emulated networks, performs real TCP handshakes across
// them, and judges what happened.
package main

import (
	"errors"
	"fmt"
	"os"

	"testbed/scenarios/spec"
	"testbed/scenarios/virtual"
	"testbed/topo/rtnl"
	"testbed/topo/sandbox"
	"testbed/vm/guest"
)

// The exit codes.
const (
	exitOK          = 0
	exitUnmet       = 1
	exitUsage       = 2
	exitUnavailable = sandbox.ExitUnavailable
	exitInternal    = 4
	exitInterrupted = 130
)

func main() {
	guest.Main(virtual.Guest())
	os.Exit(exit(newRoot().Execute()))
}

// codeError is an error whose exit code was decided where it happened.
type codeError struct {
	code int
	// err is nil when everything has been said already.
	err error
}

func (e *codeError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *codeError) Unwrap() error { return e.err }

// usage marks an error of the command line.
func usage(format string, args ...any) error {
	return &codeError{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// exit prints an error, if there is something to say, and returns its code.
func exit(err error) int {
	if err == nil {
		return exitOK
	}
	var coded *codeError
	if errors.As(err, &coded) && coded.err == nil {
		return coded.code
	}
	fmt.Fprintf(os.Stderr, "%s%v\n", prefix(err), err)
	return codeOf(err)
}

// prefix says who complains. Mistakes in files begin with their file, line and
// column, as editors and CI systems expect.
func prefix(err error) string {
	var invalid *spec.Problems
	if errors.As(err, &invalid) {
		return ""
	}
	return "testbed: "
}

// codeOf is the exit code of an error.
func codeOf(err error) int {
	var (
		coded   *codeError
		invalid *spec.Problems
		missing *sandbox.Unavailable
		sysctl  *rtnl.UnknownSysctl
	)
	switch {
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &invalid):
		return exitUsage
	case errors.As(err, &missing), errors.As(err, &sysctl):
		return exitUnavailable
	}
	return exitInternal
}
