package wire

import (
	"sync"

	"golang.org/x/sys/unix"

	"testbed/netem"
)

// attach lets the engine carry a link: what comes in at one end's socket goes in
// the direction of the other end. It owns the sockets from then on. The caller
// serializes attach and close.
func (e *engine) attach(l netem.Link, fds [2]int, toward [2]*direction) error {
	old := *e.ports.Load()
	ports := append(make([]*port, 0, len(old)+2), old...)
	for side := range fds {
		d := toward[netem.Side(side).Other()]
		d.out = newIfreq(l.Ends[d.to].Interface)
		ports = append(ports, &port{fd: fds[side], into: d, batch: batchSmall})
	}
	e.ports.Store(&ports)
	for side, fd := range fds {
		if err := e.poll.watch(fd, len(old)+side, 0); err != nil {
			return err
		}
	}
	return nil
}

// closers is how many sockets are closed at once. The kernel waits for all
// processors to let go of each (synchronize_net), so one at a time would take
// milliseconds each.
const closers = 64

// close stops the engine and waits for it.
func (e *engine) close() {
	e.closing.Store(true)
	e.poll.interrupt()
	<-e.stopped
	e.in.close()
	e.poll.close()
	fds := make(chan int)
	var wg sync.WaitGroup
	ports := *e.ports.Load()
	for range min(closers, len(ports)) {
		wg.Go(func() {
			for fd := range fds {
				unix.Close(fd)
			}
		})
	}
	for _, p := range ports {
		fds <- p.fd
	}
	close(fds)
	wg.Wait()
}
