package machine_test

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"testbed/vm"
	"testbed/vm/guest"
	"testbed/vm/kernel"
	"testbed/vm/machine"
	"testbed/vm/qemu"
)

func TestMain(m *testing.M) {
	guest.Main(guest.Program{Do: perform})
	os.Exit(m.Run())
}

// perform is what this test binary does as a guest.
func perform(job *vm.Job, emit func(vm.Record) error) int {
	switch job.Args[0] {
	case "sleep":
		d, _ := time.ParseDuration(job.Args[1])
		began := time.Now()
		i0, _ := os.ReadFile("/proc/interrupts")
		time.Sleep(d)
		i1, _ := os.ReadFile("/proc/interrupts")
		for _, b := range [][]byte{i0, i1} {
			for _, l := range strings.Split(string(b), "\n") {
				if strings.Contains(l, "timer") {
					fmt.Println(l)
				}
			}
		}
		i1, _ = os.ReadFile("/proc/timer_list")
		fmt.Println(string(i1))
		fmt.Println("slept", time.Since(began), time.Now().UTC())
	case "random":
		b := make([]byte, 8)
		f, _ := os.Open("/dev/urandom")
		f.Read(b)
		fmt.Printf("%x\n", b)
	}
	return 3
}

func TestX(t *testing.T) {
	k, err := kernel.Find(os.Getenv("K"))
	if err != nil {
		t.Fatal(err)
	}
	q, err := qemu.Find()
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	m, err := machine.Open(context.Background(), machine.Options{Kernel: k, Emulator: q, OnBoot: func(k kernel.Kernel) { t.Log("boot", k) }})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	t.Log("opened", time.Since(began))
	for _, args := range []string{"sleep 3s"} {
		began = time.Now()
		var out string
		code, err := m.Do(context.Background(), &vm.Job{Seed: 1, Args: strings.Fields(args)}, func(r vm.Record) error { out += string(r.Data); return nil })
		t.Logf("%v %d %v %s", time.Since(began), code, err, out)
	}
}
