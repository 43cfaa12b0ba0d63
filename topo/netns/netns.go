// Package netns holds anonymous network namespaces and is the only place where
// a thread changes namespace.
package netns

import (
	"fmt"
	"runtime"

	"golang.org/x/sys/unix"
)

// The main goroutine stays on the main thread, so that no goroutine of Do ever
// runs there: the main thread's namespace is what /proc/self/ns/net shows for
// the whole process.
func init() { runtime.LockOSThread() }

// NS is a network namespace that lives as long as its descriptor, or as
// anything that was opened in it. Its methods are safe for concurrent use, but
// for Close.
type NS struct {
	fd    int
	inode uint64
}

// New makes a fresh network namespace, its loopback interface down. The caller
// closes it.
func New() (*NS, error) {
	n := &NS{fd: -1}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unshare network namespace: %w", err)
		}
		return n.open()
	})
	if err != nil {
		return nil, err
	}
	return n, nil
}

// open keeps the calling thread's network namespace.
func (n *NS) open() error {
	fd, err := unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open /proc/thread-self/ns/net: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		unix.Close(fd)
		return fmt.Errorf("stat network namespace: %w", err)
	}
	n.fd, n.inode = fd, st.Ino
	return nil
}

// Inode is the namespace's number, as in "net:[4026532008]".
func (n *NS) Inode() uint64 { return n.inode }

// FD is the namespace's descriptor, for netlink messages that name a namespace.
// It is valid until Close.
func (n *NS) FD() int { return n.fd }

// Close gives the namespace up. The kernel destroys it, with its interfaces, at
// some time after the last socket and process in it are gone.
func (n *NS) Close() error {
	if n.fd < 0 {
		return nil
	}
	fd := n.fd
	n.fd = -1
	return unix.Close(fd)
}

// Do runs f on a thread that is in the namespace, and waits for it. The thread
// dies afterwards, so there is nothing to restore; what f opens stays in the
// namespace, and goroutines that f starts do not. f should open sockets, read
// and write /proc/sys/net, or start processes, and nothing else.
func (n *NS) Do(f func() error) error {
	return onThread(func() error {
		if err := unix.Setns(n.fd, unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("enter network namespace: %w", err)
		}
		return f()
	})
}

// DoUnshared is Do on a thread that has mount and UTS namespaces of its own as
// well, so that f can bind mounts and set a host name that only processes
// started by f see.
func (n *NS) DoUnshared(f func() error) error {
	return n.Do(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNS | unix.CLONE_NEWUTS); err != nil {
			return fmt.Errorf("unshare mount and UTS namespaces: %w", err)
		}
		return f()
	})
}

// onThread runs f on a fresh goroutine with a thread of its own. The goroutine
// never unlocks the thread, which therefore ends with it.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		finished := false
		defer func() {
			if !finished { // f called runtime.Goexit, as t.FailNow does
				done <- fmt.Errorf("goroutine in a network namespace exited")
			}
		}()
		err := f()
		finished = true
		done <- err
	}()
	return <-done
}
