package kernel

import (
	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// Where the program writes what into an event.
const (
	evTime   = 0  // u64, ktime
	evSocket = 8  // u64, the address of struct sock
	evNetns  = 16 // u32
	evOld    = 20 // u32
	evNew    = 24 // u32
	evSport  = 28 // u16, network byte order, and two bytes of padding
	evCommon = 32 // struct sock_common
)

func eventBytes(o offsets) int { return evCommon + (o.common+7)&^7 }

// program is run at each sock:inet_sock_set_state (include/trace/events/sock.h),
// whose raw arguments are (const struct sock *sk, int oldstate, int newstate):
//
//	probe_read_kernel(&net, 8, sk + offsetof(skc_net));
//	probe_read_kernel(&inum, 4, net + offsetof(ns.inum));
//	if (!map_lookup_elem(watched, &inum)) return 0;
//	e = ringbuf_reserve(events, sizeof(*e), 0);
//	if (!e) { atomically add 1 to lost[0]; return 0; }
//	e->time = ktime_get_ns(); e->socket = sk; e->netns = inum; …
//	probe_read_kernel(&e->common, sizeof(e->common), sk);
//	ringbuf_submit(e, 0);
func program(o offsets, watched, events, lost *ebpf.Map) *ebpf.ProgramSpec {
	const net, inum, zero = -8, -16, -24 // on the stack
	stack := func(reg asm.Register, off int32) asm.Instructions {
		return asm.Instructions{asm.Mov.Reg(reg, asm.RFP), asm.Add.Imm(reg, off)}
	}
	var p asm.Instructions
	add := func(is ...asm.Instruction) { p = append(p, is...) }
	add(
		asm.Mov.Reg(asm.R6, asm.R1),
		asm.LoadMem(asm.R7, asm.R6, 0, asm.DWord),
		asm.Mov.Imm(asm.R1, 0),
		asm.StoreMem(asm.RFP, zero, asm.R1, asm.DWord),
	)
	add(stack(asm.R1, net)...)
	add(asm.Mov.Imm(asm.R2, 8), asm.Mov.Reg(asm.R3, asm.R7), asm.Add.Imm(asm.R3, int32(o.net)), asm.FnProbeReadKernel.Call())
	add(stack(asm.R1, inum)...)
	add(asm.Mov.Imm(asm.R2, 4), asm.LoadMem(asm.R3, asm.RFP, net, asm.DWord), asm.Add.Imm(asm.R3, int32(o.inum)), asm.FnProbeReadKernel.Call())
	add(asm.LoadMapPtr(asm.R1, watched.FD()))
	add(stack(asm.R2, inum)...)
	add(asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "exit"))
	add(
		asm.LoadMapPtr(asm.R1, events.FD()), asm.Mov.Imm(asm.R2, int32(eventBytes(o))), asm.Mov.Imm(asm.R3, 0),
		asm.FnRingbufReserve.Call(), asm.JEq.Imm(asm.R0, 0, "lost"), asm.Mov.Reg(asm.R8, asm.R0),
		asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.R8, evTime, asm.R0, asm.DWord),
		asm.StoreMem(asm.R8, evSocket, asm.R7, asm.DWord),
		asm.LoadMem(asm.R1, asm.RFP, inum, asm.Word), asm.StoreMem(asm.R8, evNetns, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R6, 8, asm.DWord), asm.StoreMem(asm.R8, evOld, asm.R1, asm.Word),
		asm.LoadMem(asm.R1, asm.R6, 16, asm.DWord), asm.StoreMem(asm.R8, evNew, asm.R1, asm.Word),
		asm.StoreImm(asm.R8, evSport, 0, asm.Word),
		asm.Mov.Reg(asm.R1, asm.R8), asm.Add.Imm(asm.R1, evSport), asm.Mov.Imm(asm.R2, 2),
		asm.Mov.Reg(asm.R3, asm.R7), asm.Add.Imm(asm.R3, int32(o.sport)), asm.FnProbeReadKernel.Call(),
		asm.Mov.Reg(asm.R1, asm.R8), asm.Add.Imm(asm.R1, evCommon), asm.Mov.Imm(asm.R2, int32(o.common)),
		asm.Mov.Reg(asm.R3, asm.R7), asm.FnProbeReadKernel.Call(),
		asm.Mov.Reg(asm.R1, asm.R8), asm.Mov.Imm(asm.R2, 0), asm.FnRingbufSubmit.Call(),
		asm.Ja.Label("exit"),
	)
	add(asm.LoadMapPtr(asm.R1, lost.FD()).WithSymbol("lost"))
	add(stack(asm.R2, zero)...)
	add(
		asm.FnMapLookupElem.Call(), asm.JEq.Imm(asm.R0, 0, "exit"),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
		asm.Mov.Imm(asm.R0, 0).WithSymbol("exit"), asm.Return(),
	)
	return &ebpf.ProgramSpec{Name: "testbed_states", Type: ebpf.RawTracepoint, Instructions: p, License: "Dual MIT/GPL"}
}
