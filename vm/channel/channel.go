// Package channel is the memory that a guest and its host share: a job on the
// way in, records on the way out. Both are plain memory to the guest, so that
// writing a record costs it the same instructions each time, whether somebody
// reads it or not; nothing outside the guest can change what it computes.
package channel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	"testbed/vm"
)

// The layout of the guest's physical memory: its RAM, then the channel.
const (
	// GuestRAM is the guest's memory, in bytes; the channel begins there.
	GuestRAM = 512 << 20
	// Size is the channel's, in bytes. Memory that nobody touches costs nothing.
	Size = 256 << 20
)

// The layout of the channel.
const (
	jobLength    = 0 // bytes of the job, little endian, written by the host
	outputLength = 8 // bytes of all records, published by the guest after each
	jobAt        = 4096
	outputAt     = Size / 2
	// MaxJob and MaxOutput bound what goes in and comes out, in bytes.
	MaxJob    = outputAt - jobAt
	MaxOutput = Size - outputAt
	// reserved is kept for the record that tells of an end.
	reserved = 64 << 10
	header   = 5
)

// ErrFull says that the records of a job exceed what the channel holds.
var ErrFull = errors.New("the guest's output exceeds 128 MiB")

// Channel is one end of the memory. Its methods are not safe for concurrent use,
// but for the two ends' use beside each other.
type Channel struct{ memory []byte }

// New takes a mapping of the whole channel.
func New(memory []byte) (*Channel, error) {
	if len(memory) != Size {
		return nil, fmt.Errorf("channel has %d bytes, want %d", len(memory), Size)
	}
	return &Channel{memory}, nil
}

func (c *Channel) word(at int) *uint64 { return (*uint64)(unsafe.Pointer(&c.memory[at])) }

// PutJob lays down the encoded job.
func (c *Channel) PutJob(job []byte) error {
	if len(job) > MaxJob {
		return fmt.Errorf("the job has %d bytes, the channel takes %d: give the guest fewer or smaller files", len(job), MaxJob)
	}
	copy(c.memory[jobAt:], job)
	binary.LittleEndian.PutUint64(c.memory[jobLength:], uint64(len(job)))
	return nil
}

// Job is the encoded job. It stays the channel's memory.
func (c *Channel) Job() ([]byte, error) {
	n := binary.LittleEndian.Uint64(c.memory[jobLength:])
	if n == 0 || n > MaxJob {
		return nil, fmt.Errorf("the channel holds no job: length %d", n)
	}
	return c.memory[jobAt : jobAt+int(n)], nil
}

// Write appends a record. Those of kinds Ended and Failed find room when all else
// has filled the channel.
func (c *Channel) Write(r vm.Record) error {
	at := atomic.LoadUint64(c.word(outputLength))
	room := MaxOutput - int(at) - header
	if r.Kind != vm.Ended && r.Kind != vm.Failed {
		room -= reserved
	}
	if len(r.Data) > room {
		return ErrFull
	}
	b := c.memory[outputAt+int(at):]
	b[0] = byte(r.Kind)
	binary.LittleEndian.PutUint32(b[1:], uint32(len(r.Data)))
	copy(b[header:], r.Data)
	atomic.StoreUint64(c.word(outputLength), at+header+uint64(len(r.Data)))
	return nil
}

// Reader reads records as they come.
type Reader struct {
	channel *Channel
	at      uint64
}

// Reader begins at the first record.
func (c *Channel) Reader() *Reader { return &Reader{channel: c} }

// Next is the next record, if there is one. What it returns is a copy. An error
// says that the guest has written something that is no record; it is not trusted
// any further.
func (r *Reader) Next() (vm.Record, bool, error) {
	end := atomic.LoadUint64(r.channel.word(outputLength))
	switch {
	case end > MaxOutput || end < r.at:
		return vm.Record{}, false, fmt.Errorf("the guest says that it has written %d bytes, after %d", end, r.at)
	case end == r.at:
		return vm.Record{}, false, nil
	case end-r.at < header:
		return vm.Record{}, false, fmt.Errorf("a record from the guest is cut after %d bytes", end-r.at)
	}
	b := r.channel.memory[outputAt+r.at : outputAt+end]
	n := uint64(binary.LittleEndian.Uint32(b[1:]))
	if n > uint64(len(b)-header) {
		return vm.Record{}, false, fmt.Errorf("a record from the guest has %d bytes, of which %d are there", n, len(b)-header)
	}
	rec := vm.Record{Kind: vm.Kind(b[0]), Data: append([]byte(nil), b[header:header+n]...)}
	r.at += header + n
	return rec, true, nil
}
