package sandbox

import (
	"os"
	"os/signal"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Signals are those that ask a program to end, but for the ones that it was
// started to ignore, as nohup(1) does. SIGTERM is always one of them.
func Signals() []os.Signal {
	list := []os.Signal{unix.SIGTERM}
	for _, s := range []os.Signal{unix.SIGINT, unix.SIGHUP} {
		if !signal.Ignored(s) {
			list = append(list, s)
		}
	}
	return list
}

const (
	// exitRuntime is how Go's runtime ends a program when a signal can't: its
	// default action is not taken in pid 1 (runtime.dieFromSignal,
	// pid_namespaces(7)).
	exitRuntime = 2
	// again is how long the second run gets to be at home before a signal is
	// sent once more, and grace how long a signal that ended it may take to be
	// seen by the first run, as the terminal sends its own to both.
	again = 20 * time.Millisecond
	grace = 100 * time.Millisecond
	// insist is how many signals mean that the second run does not answer.
	insist = 3
)

// relay passes signals on to the second run.
type relay struct {
	signals chan os.Signal
	// ready is closed when the second run is at home, or gone.
	ready <-chan struct{}
	// stop ends pass; last, the last signal passed on, is valid once done is
	// closed.
	stop, done chan struct{}
	last       os.Signal
}

// newRelay begins to hold signals back for a second run that is not there yet.
func newRelay(ready <-chan struct{}) *relay {
	r := &relay{signals: make(chan os.Signal, 8), ready: ready, stop: make(chan struct{}), done: make(chan struct{})}
	signal.Notify(r.signals, append(Signals(), unix.SIGQUIT)...)
	return r
}

// pass hands signals on until stop. Until the second run is at home the kernel
// may throw one away, as it is pid 1 of its namespace and the runtime has no
// handler yet: such a signal is sent again. The second run takes the first
// signal as a request to end, so a few in a row mean that it does not answer.
func (r *relay) pass(p interface{ Signal(os.Signal) error }) {
	defer close(r.done)
	var unanswered <-chan time.Time
	ready := r.ready
	for n := 0; ; {
		select {
		case r.last = <-r.signals:
			if n++; n >= insist {
				p.Signal(os.Kill)
				continue
			}
			if ready != nil {
				unanswered = time.After(again)
			}
		case <-unanswered:
			unanswered = time.After(again)
		case <-ready:
			ready = nil
			if unanswered == nil {
				continue
			}
			unanswered = nil
		case <-r.stop:
			return
		}
		p.Signal(r.last)
	}
}

// cause is the exit code that code stands for: that of the signal, when Go's
// runtime ended the second run because of one. Call it once, after the second
// run has ended.
func (r *relay) cause(code int) int {
	close(r.stop)
	<-r.done
	signal.Stop(r.signals)
	switch {
	case code != exitRuntime:
		return code
	case r.last == nil && (broken(unix.Stdout) || broken(unix.Stderr)):
		return 128 + int(unix.SIGPIPE)
	case r.last == nil:
		select {
		case r.last = <-r.signals:
		case <-time.After(grace):
			return code
		}
	}
	return 128 + int(r.last.(syscall.Signal))
}

// broken tells whether fd is a pipe that nobody reads.
func broken(fd int) bool {
	p := []unix.PollFd{{Fd: int32(fd)}}
	n, err := unix.Poll(p, 0)
	return err == nil && n == 1 && p[0].Revents&unix.POLLERR != 0
}
