package qdisc

import (
	"errors"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

// steering keeps the frames of a direction in order on a machine with several
// processors: one of them takes in all frames of an inner end (receive packet
// steering, Documentation/networking/scaling.rst). That one then runs the queues
// and their timers too, and hands the frames over, so that none overtakes another
// on another processor.
type steering struct {
	// interfaces is /sys/devices/virtual/net of the ether. It is nil where the
	// program may use a single processor, which nothing has to be steered to.
	interfaces *os.Root
	processors []int
}

// newSteering looks up the program's processors. The caller closes it.
func newSteering(ether *netns.NS) (*steering, error) {
	s := &steering{}
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("look up the program's processors: %w", err)
	}
	for cpu := range len(set) * 64 {
		if set.IsSet(cpu) {
			s.processors = append(s.processors, cpu)
		}
	}
	if len(s.processors) == 1 {
		return s, nil
	}
	err := ether.DoUnshared(func() (err error) {
		if err := unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return fmt.Errorf("mount sysfs: %w", err)
		}
		s.interfaces, err = os.OpenRoot("/sys/devices/virtual/net")
		return err
	})
	return s, disorder(err)
}

func (s *steering) close() error {
	if s.interfaces == nil {
		return nil
	}
	return s.interfaces.Close()
}

// steer lets a processor, the same one for the same number, take in what comes to
// an interface.
//
//	echo MASK > /sys/class/net/NAME/queues/rx-0/rps_cpus
func (s *steering) steer(name string, number int) error {
	if s.interfaces == nil {
		return nil
	}
	want := mask(s.processors[number%len(s.processors)])
	f, err := s.interfaces.OpenFile(filepath.Join(name, "queues/rx-0/rps_cpus"), os.O_RDWR, 0)
	if err != nil {
		return disorder(err)
	}
	defer f.Close()
	if _, err := f.WriteString(want); err != nil {
		return disorder(err)
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return disorder(err)
	}
	got, err := io.ReadAll(f)
	if err == nil && digits(string(got)) != digits(want) {
		err = fmt.Errorf("the kernel made rps_cpus %s of %s", strings.TrimSpace(string(got)), want)
	}
	return disorder(err)
}

// mask is the kernel's list of one processor: groups of eight hexadecimal digits.
func mask(cpu int) string {
	m := new(big.Int).Lsh(big.NewInt(1), uint(cpu)).Text(16)
	for i := len(m) - 8; i > 0; i -= 8 {
		m = m[:i] + "," + m[i:]
	}
	return m
}

// digits are those of a mask that count.
func digits(mask string) string {
	return strings.TrimLeft(strings.ReplaceAll(strings.TrimSpace(mask), ",", ""), "0")
}

// disorder explains what the lack of steering comes to.
func disorder(err error) error {
	if err == nil {
		return nil
	}
	var errno unix.Errno
	if !errors.As(err, &errno) {
		return fmt.Errorf("steer frames to one processor: %w", err)
	}
	return &sandbox.Unavailable{
		Missing: "order of frames in the kernel's netem on several processors",
		Err:     err,
		Remedy: "Run testbed as root, so that it can steer a link's frames to one of them (CONFIG_RPS).\n" +
			"Or give it a single one: taskset -c 0 testbed …\n" +
			"Or let the user-space wire carry the links: --links=wire.",
	}
}
