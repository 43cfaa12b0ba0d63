package exec

import (
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// MaxOutput is how much of each output stream is kept, in bytes. The rest is
// read and thrown away, and the text says so.
const MaxOutput = 1 << 20

// collector reads what a program writes to a pipe. The pipe stays open as long as
// any process holds it, so that one left in the background never meets SIGPIPE.
type collector struct {
	r, w *os.File

	mu   sync.Mutex
	kept []byte
	lost int
	idle chan struct{} // closed when the reading goroutine has stopped
}

func newCollector() (*collector, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make pipe: %w", err)
	}
	return &collector{r: r, w: w}, nil
}

// abandon releases a pipe that no program was given.
func (c *collector) abandon() {
	c.r.Close()
	c.w.Close()
}

// collect reads until the last writer is gone, or the read deadline.
func (c *collector) collect() {
	c.w.Close()
	c.idle = make(chan struct{})
	go func() {
		defer close(c.idle)
		buf := make([]byte, 32<<10)
		for {
			n, err := c.r.Read(buf)
			c.keep(buf[:n])
			if err != nil {
				return
			}
		}
	}()
}

func (c *collector) keep(b []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := min(len(b), MaxOutput-len(c.kept))
	c.kept = append(c.kept, b[:n]...)
	c.lost += len(b) - n
}

// text is everything that was written before the call. Other processes may still
// hold the pipe; what they write later is thrown away.
func (c *collector) text() string {
	c.r.SetReadDeadline(time.Now())
	<-c.idle
	if raw, err := c.r.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { c.drain(int(fd)) })
	}
	c.r.SetReadDeadline(time.Time{})
	go func() {
		io.Copy(io.Discard, c.r)
		c.r.Close()
	}()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lost > 0 {
		return fmt.Sprintf("%s\n[%d more bytes were not kept]", c.kept, c.lost)
	}
	return string(c.kept)
}

// drain reads what is in the pipe without waiting for more.
func (c *collector) drain(fd int) {
	buf := make([]byte, 32<<10)
	for {
		n, err := unix.Read(fd, buf)
		if n <= 0 || err != nil {
			return
		}
		c.keep(buf[:n])
	}
}
