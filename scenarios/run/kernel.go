package run

import (
	"fmt"
	"sync"

	"golang.org/x/sys/unix"

	"testbed/scenarios/spec"
)

// Kernel is the running kernel's release as of uname(2), such as
// 6.12.41+deb13-amd64.
var Kernel = sync.OnceValue(func() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil { // it fails for a bad address alone
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
})

// unsuited says why a scenario is not for a kernel, nothing if it is.
func unsuited(s *spec.Scenario, kernel string) (string, error) {
	if s.Kernels == nil {
		return "", nil
	}
	v, err := spec.ParseVersion(kernel)
	if err != nil || s.Kernels.Contains(v) {
		return "", err
	}
	return fmt.Sprintf("it is for kernels %s, and this one is %s", s.Kernels.Text, kernel), nil
}
