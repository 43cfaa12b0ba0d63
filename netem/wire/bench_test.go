package wire

import (
	"encoding/binary"
	"io"
	"net"
	"os/exec"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"testbed/netem"
	"testbed/netem/conformance"
)

// bench makes a network whose link a wire carries, impaired toward side 1.
func bench(b *testing.B, i netem.Impairment) (*conformance.Network, netem.Link) {
	b.Helper()
	n := conformance.NewNetwork(b, conformance.IPv4)
	w, err := New(n.Ether, Options{Seed: 1})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { w.Close() })
	l := n.Link(0, [2]netem.Impairment{1: i})
	if _, err := w.Carry(l); err != nil {
		b.Fatal(err)
	}
	return n, l
}

// load keeps processors busy while a benchmark runs.
type load struct {
	name                 string
	processes, goroutine int
}

var loads = []load{
	{"idle", 0, 0},
	{"one processor busy", 1, 0},
	{"all processors busy", runtime.NumCPU(), 0},
	{"own goroutines busy", 0, runtime.NumCPU()},
}

func (l load) start(b *testing.B) {
	for range l.processes {
		hog := exec.Command("sh", "-c", "while :; do :; done")
		if err := hog.Start(); err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { hog.Process.Kill(); hog.Wait() })
	}
	var stop atomic.Bool
	b.Cleanup(func() { stop.Store(true) })
	for range l.goroutine {
		go func() {
			for !stop.Load() {
			}
		}()
	}
}

// spread reports the median, the 99th percentile and the greatest of some
// durations in ns.
func spread(b *testing.B, ns []int64, of string) {
	b.Helper()
	slices.Sort(ns)
	b.ReportMetric(float64(ns[len(ns)/2])/1e3, of+"-p50-µs")
	b.ReportMetric(float64(ns[len(ns)*99/100])/1e3, of+"-p99-µs")
	b.ReportMetric(float64(ns[len(ns)-1])/1e3, of+"-max-µs")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkLateness is how much later than asked a frame leaves: from the
// kernel's stamp where it enters the ether to that where it enters the node.
func BenchmarkLateness(b *testing.B) {
	for _, delay := range []time.Duration{0, time.Millisecond} {
		for _, l := range loads {
			b.Run(delay.String()+"/"+l.name, func(b *testing.B) {
				n, link := bench(b, netem.Impairment{Delay: delay})
				taps := [2]*tap{}
				n.Ether.Do(func() error { taps[0] = newTap(b, link.Ends[0]); return nil })
				n.Nodes[1].Do(func() error {
					i, err := net.InterfaceByName(conformance.Interface)
					if err != nil {
						b.Fatal(err)
					}
					taps[1] = newTap(b, netem.End{Interface: i.Name, Index: i.Index})
					return nil
				})
				d := n.NewDatagrams(b, 0)
				l.start(b)
				var late []int64
				b.ResetTimer()
				for range b.N {
					d.Send(b, 16)
					late = append(late, -taps[0].stamp(b)+taps[1].stamp(b)-int64(delay))
				}
				spread(b, late, "late")
				if delay > 0 && late[0] < 0 {
					b.Errorf("a frame left %d ns early", -late[0])
				}
			})
		}
	}
}

// tap reads the stamps of an interface's frames.
type tap struct {
	fd int
	in *inbox
}

func newTap(b *testing.B, end netem.End) *tap {
	fd, err := openSocket(end.Interface, end.Index)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(fd) })
	t := &tap{fd, new(inbox)}
	t.in.refill(0, make([]byte, slotLen))
	return t
}

// stamp waits for the next frame.
func (t *tap) stamp(b *testing.B) int64 {
	fds := []unix.PollFd{{Fd: int32(t.fd), Events: unix.POLLIN}}
	for {
		if n, errno := t.in.receive(t.fd, 1); n == 1 && errno == 0 {
			_, stamp, _ := t.in.frame(0)
			return stamp
		}
		if n, err := unix.Poll(fds, 5000); n == 0 && err == nil {
			b.Fatal("no frame in 5 s")
		}
	}
}

// BenchmarkTCP transfers in one direction, with the kernel's offloads on.
func BenchmarkTCP(b *testing.B) {
	for _, delay := range []time.Duration{0, time.Millisecond} {
		b.Run(delay.String(), func(b *testing.B) {
			n, _ := bench(b, netem.Impairment{Delay: delay})
			conns, err := n.Connect()
			if err != nil {
				b.Fatal(err)
			}
			defer conns[0].Close()
			defer conns[1].Close()
			chunk := make([]byte, 1<<20)
			b.SetBytes(int64(len(chunk)))
			b.ResetTimer()
			go func() {
				for range b.N {
					conns[0].Write(chunk)
				}
				conns[0].CloseWrite()
			}()
			if got, err := io.Copy(io.Discard, conns[1]); err != nil || got != int64(b.N*len(chunk)) {
				b.Fatalf("received %d bytes: %v", got, err)
			}
			b.ReportMetric(float64(b.N*len(chunk))*8/1e9/b.Elapsed().Seconds(), "Gbit/s")
		})
	}
}

// BenchmarkSmallFrames floods frames of 64 bytes for a second an iteration and
// reports how many thousand a second come out.
func BenchmarkSmallFrames(b *testing.B) {
	n := conformance.NewNetwork(b, conformance.IPv4)
	w, err := New(n.Ether, Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer w.Close()
	seg, err := w.Carry(n.Link(0, [2]netem.Impairment{}))
	if err != nil {
		b.Fatal(err)
	}
	d := n.NewDatagrams(b, 0)
	began := time.Now()
	for time.Since(began) < time.Duration(b.N)*time.Second {
		for range 100 {
			d.Send(b, 64-14-28)
		}
	}
	c, took := seg.Counters(1), time.Since(began)
	b.ReportMetric(float64(c.Delivered)/1e3/took.Seconds(), "kpps")
	b.ReportMetric(float64(c.Dropped)/1e3/took.Seconds(), "dropped-kpps")
}

// BenchmarkPing is the time of an ICMP echo without delay, that node 1's kernel
// answers.
func BenchmarkPing(b *testing.B) {
	n, _ := bench(b, netem.Impairment{})
	var took []int64
	err := n.Nodes[0].Do(func() error {
		fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		to := &unix.SockaddrInet4{Addr: conformance.IPv4[1].As4()}
		reply := make([]byte, 1500)
		b.ResetTimer()
		for i := range b.N {
			began := time.Now()
			if err := unix.Sendto(fd, echo(uint16(i)), 0, to); err != nil {
				return err
			}
			if err := untilRead(fd, reply); err != nil {
				return err
			}
			took = append(took, int64(time.Since(began)))
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	spread(b, took, "rtt")
}

func untilRead(fd int, b []byte) error {
	for {
		if _, err := unix.Read(fd, b); err != unix.EINTR {
			return err
		}
	}
}

// echo is an ICMP echo request.
func echo(seq uint16) []byte {
	b := make([]byte, 64)
	b[0] = 8
	binary.BigEndian.PutUint16(b[6:], seq)
	sum := uint32(b[0])<<8 + uint32(seq)
	binary.BigEndian.PutUint16(b[2:], ^uint16(sum+sum>>16))
	return b
}
