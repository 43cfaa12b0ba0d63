package sandbox

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// settle makes the second run at home: it ends with the first one, its mounts
// are its own, and /proc shows its pid namespace.
func settle() error {
	unix.CloseOnExec(lifelineFD)
	lifeline := os.NewFile(lifelineFD, "lifeline")
	// Go's runtime has its signal handlers by now, so none gets lost any more.
	if _, err := lifeline.Write([]byte{0}); err != nil {
		return fmt.Errorf("tell the first run: %w", err)
	}
	go func() {
		lifeline.Read(make([]byte, 1)) // returns when the first run is gone
		os.Exit(128 + int(unix.SIGKILL))
	}()
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return &Unavailable{Missing: "mount namespaces", Err: fmt.Errorf("make mounts private: %w", err), Remedy: remedyUserNS()}
	}
	// A container may forbid a fresh /proc; the old one still serves /proc/self
	// and /proc/sys/net, and only shows the host's processes.
	_ = unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, "")
	wakeSoon()
	takePlaces()
	collectSeldom()
	return nil
}
