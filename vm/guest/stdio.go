package guest

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"testbed/vm"
)

// stdio are the pipes that replace standard output and standard error while a job
// is done.
type stdio struct {
	pipes   []*os.File
	readers sync.WaitGroup
	console [2]int
}

// redirect makes what the program and its children print into records.
func redirect(out *output) (*stdio, error) {
	s := &stdio{}
	for i, kind := range []vm.Kind{vm.Stdout, vm.Stderr} {
		fd := i + 1
		r, w, err := os.Pipe()
		if err != nil {
			return nil, fmt.Errorf("make pipe: %w", err)
		}
		if s.console[i], err = unix.Dup(fd); err != nil {
			return nil, fmt.Errorf("keep the console: %w", err)
		}
		unix.CloseOnExec(s.console[i])
		if err := unix.Dup2(int(w.Fd()), fd); err != nil {
			return nil, fmt.Errorf("redirect: %w", err)
		}
		w.Close()
		s.pipes = append(s.pipes, r)
		s.readers.Go(func() {
			defer r.Close()
			b := make([]byte, 64<<10)
			for {
				n, err := r.Read(b)
				if n > 0 {
					_ = out.write(vm.Record{Kind: kind, Data: b[:n]}) // kept by out
				}
				if err != nil {
					return
				}
			}
		})
	}
	return s, nil
}

// patience is how long a child that outlives its job, and holds the pipes, is
// listened to.
const patience = time.Second

// finish gives the console back and waits until all that was printed is out.
func (s *stdio) finish() {
	for i, fd := range s.console {
		_ = unix.Dup2(fd, i+1)
	}
	for _, r := range s.pipes {
		_ = r.SetReadDeadline(time.Now().Add(patience))
	}
	s.readers.Wait()
}
