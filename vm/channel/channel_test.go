package channel

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"testing"

	"golang.org/x/sys/unix"

	"testbed/vm"
)

// newChannel is one whose memory costs only what is touched of it.
func newChannel(t testing.TB) *Channel {
	t.Helper()
	memory, err := unix.Mmap(-1, 0, Size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS|unix.MAP_NORESERVE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(memory); err != nil {
			t.Error(err)
		}
	})
	c, err := New(memory)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// set plays a guest that writes whatever it likes.
func (c *Channel) set(length uint64, records []byte) {
	copy(c.memory[outputAt:], records)
	binary.LittleEndian.PutUint64(c.memory[outputLength:], length)
}

func TestNewWantsTheWholeChannel(t *testing.T) {
	for _, n := range []int{0, Size - 1, Size + 1} {
		if _, err := New(make([]byte, n)); err == nil {
			t.Errorf("a channel of %d bytes is taken", n)
		}
	}
}

func TestRecordsComeInOrder(t *testing.T) {
	c := newChannel(t)
	r := c.Reader()
	if _, ok, err := r.Next(); ok || err != nil {
		t.Fatalf("an empty channel has a record, error %v", err)
	}
	want := []vm.Record{{Kind: vm.Stdout, Data: []byte("text")}, {Kind: vm.Event}, {Kind: vm.Stderr, Data: make([]byte, 1<<20)}, {Kind: vm.Ended, Data: []byte{7}}}
	for i, w := range want {
		if err := c.Write(w); err != nil {
			t.Fatal(err)
		}
		got, ok, err := r.Next()
		if err != nil || !ok || got.Kind != w.Kind || !bytes.Equal(got.Data, w.Data) {
			t.Errorf("record %d: kind %d, %d bytes, %v, %v", i, got.Kind, len(got.Data), ok, err)
		}
	}
	if _, ok, err := r.Next(); ok || err != nil {
		t.Errorf("there is one more record, error %v", err)
	}
}

func TestNextCopies(t *testing.T) {
	c := newChannel(t)
	if err := c.Write(vm.Record{Kind: vm.Stdout, Data: []byte("before")}); err != nil {
		t.Fatal(err)
	}
	got, _, err := c.Reader().Next()
	if err != nil {
		t.Fatal(err)
	}
	c.set(header+6, []byte("changed by the guest"))
	if string(got.Data) != "before" {
		t.Errorf("a record changes to %q after it was read", got.Data)
	}
}

func TestFullChannelTakesTheEnd(t *testing.T) {
	c := newChannel(t)
	for len := uint64(0); len < MaxOutput-2<<20; {
		if err := c.Write(vm.Record{Kind: vm.Event, Data: c.memory[outputAt-1<<20 : outputAt]}); err != nil {
			t.Fatal(err)
		}
		len = binary.LittleEndian.Uint64(c.memory[outputLength:])
	}
	if err := c.Write(vm.Record{Kind: vm.Stdout, Data: make([]byte, 2<<20)}); !errors.Is(err, ErrFull) {
		t.Errorf("a record beyond the end gives error %v, want %v", err, ErrFull)
	}
	used := int(binary.LittleEndian.Uint64(c.memory[outputLength:]))
	if err := c.Write(vm.Record{Kind: vm.Stdout, Data: make([]byte, MaxOutput-used-header-reserved)}); err != nil {
		t.Fatal(err)
	}
	if err := c.Write(vm.Record{Kind: vm.Stdout}); !errors.Is(err, ErrFull) {
		t.Errorf("a full channel gives error %v, want %v", err, ErrFull)
	}
	if err := c.Write(vm.Record{Kind: vm.Failed, Data: make([]byte, reserved-2*header-1)}); err != nil {
		t.Errorf("there is no room for a failure: %v", err)
	}
	if err := c.Write(vm.Record{Kind: vm.Ended, Data: []byte{1}}); err != nil {
		t.Errorf("there is no room for the end: %v", err)
	}
	if err := c.Write(vm.Record{Kind: vm.Ended, Data: []byte{1}}); !errors.Is(err, ErrFull) {
		t.Errorf("the very end gives error %v, want %v", err, ErrFull)
	}
}

func TestReaderDoesNotBelieve(t *testing.T) {
	record := func(n uint32, data string) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte{byte(vm.Stdout)}, n), data...)
	}
	for name, c := range map[string]struct {
		length  uint64
		records []byte
	}{
		"more than there is":       {MaxOutput + 1, nil},
		"a length below zero":      {1<<64 - 1, nil},
		"a cut header":             {header - 1, record(0, "")},
		"a record of too many":     {header + 3, record(4, "four")},
		"a record of the most":     {header + 4, record(1<<32-1, "four")},
		"a second one that is cut": {header + 4 + 2, append(record(4, "four"), record(0, "")...)},
	} {
		t.Run(name, func(t *testing.T) {
			ch := newChannel(t)
			ch.set(c.length, c.records)
			if n, err := drain(ch.Reader()); err == nil {
				t.Errorf("%d records and no error", n)
			}
		})
	}
	c := newChannel(t)
	c.set(header+4, record(4, "four"))
	r := c.Reader()
	if _, ok, err := r.Next(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	c.set(header, nil)
	if _, _, err := r.Next(); err == nil {
		t.Error("output that shrinks is believed")
	}
}

// drain reads what there is.
func drain(r *Reader) (n int, err error) {
	for {
		_, ok, err := r.Next()
		if err != nil || !ok {
			return n, err
		}
		n++
	}
}

func FuzzReader(f *testing.F) {
	f.Add(uint64(header+4), []byte("\x02\x04\x00\x00\x00four"), uint64(header+4))
	f.Add(uint64(header), []byte("\xff\x00\x00\x00\x00"), uint64(1<<63))
	f.Add(uint64(MaxOutput), []byte("\x01\xff\xff\xff\xff"), uint64(0))
	f.Add(uint64(20), []byte("\x02\x01\x00\x00\x00a\x63\x01\x00\x00\x00b"), uint64(3))
	c := newChannel(f)
	f.Fuzz(func(t *testing.T, first uint64, records []byte, second uint64) {
		records = records[:min(len(records), 1<<16)]
		clear(c.memory[outputAt : outputAt+1<<16])
		// Records of no bytes in all the memory would take the fuzzer's time.
		first = min(first, MaxOutput+1)
		if first > 1<<16 && first <= MaxOutput {
			first = 1 << 16
		}
		c.set(first, records)
		r := c.Reader()
		for _, length := range []uint64{first, second} {
			binary.LittleEndian.PutUint64(c.memory[outputLength:], length)
			for before := r.at; ; before = r.at {
				rec, ok, err := r.Next()
				if err != nil || !ok {
					break
				}
				if r.at != before+header+uint64(len(rec.Data)) || r.at > min(length, MaxOutput) {
					t.Fatalf("a record of %d bytes goes from %d to %d of %d", len(rec.Data), before, r.at, length)
				}
				if r.at > 1<<17 {
					break
				}
			}
		}
	})
}

func TestJobGoesThere(t *testing.T) {
	c := newChannel(t)
	if _, err := c.Job(); err == nil {
		t.Error("an empty channel holds a job")
	}
	want := &vm.Job{Seed: 1<<64 - 1, Args: []string{"a", ""}, Env: []string{"A=b"}, Payload: []byte{0, 255},
		Files: []vm.File{{Path: "/x", Mode: 0o755, Data: []byte("data")}, {Path: "/y", Link: "x"}}}
	b, err := EncodeJob(want)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.PutJob(b); err != nil {
		t.Fatal(err)
	}
	there, err := c.Job()
	if err != nil {
		t.Fatal(err)
	}
	got, err := DecodeJob(there)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("the job is %+v, %v, want %+v", got, err, want)
	}
	if _, err := DecodeJob(there[:len(there)-1]); err == nil {
		t.Error("a job that is cut is taken")
	}
	if err := c.PutJob(c.memory[:MaxJob+1]); err == nil {
		t.Error("a job that is too large is taken")
	}
	binary.LittleEndian.PutUint64(c.memory[jobLength:], MaxJob+1)
	if _, err := c.Job(); err == nil {
		t.Error("a job that is longer than the channel is taken")
	}
}
