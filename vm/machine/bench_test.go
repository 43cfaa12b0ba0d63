package machine_test

import (
	"testing"

	"testbed/vm"
	"testbed/vm/guesttest"
	"testbed/vm/machine"
	"testbed/vm/qemu"
)

// BenchmarkBoot reports how long a boot takes until the guest waits for a job.
//
//	go test ./vm/machine -run '^$' -bench Boot -benchtime 5x
func BenchmarkBoot(b *testing.B) {
	for _, name := range guesttest.Names() {
		b.Run("linux-"+name, func(b *testing.B) {
			m := guesttest.Open(b, name)
			q, err := qemu.Find()
			if err != nil {
				b.Fatal(err)
			}
			for b.Loop() {
				fresh, err := machine.Open(b.Context(), machine.Options{Kernel: m.Kernel(), Emulator: q, Fresh: true})
				if err != nil {
					b.Fatal(err)
				}
				if err := fresh.Close(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkResume reports how long a job takes that does nothing: a guest goes on
// from its snapshot, and halts.
//
//	go test ./vm/machine -run '^$' -bench Resume -benchtime 50x
func BenchmarkResume(b *testing.B) {
	for _, name := range guesttest.Names() {
		b.Run("linux-"+name, func(b *testing.B) {
			m := guesttest.Open(b, name)
			for b.Loop() {
				if code, err := m.Do(b.Context(), &vm.Job{Args: []string{"nothing"}}, nil); code != 3 || err != nil {
					b.Fatal(code, err)
				}
			}
		})
	}
}
