package kernel

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"testbed/observe"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

// Sockets looks at the TCP sockets of one namespace (sock_diag(7)). It tells of a
// socket in TIME-WAIT, and of an orphan in FIN-WAIT-2, which are no sockets of
// their own any more and which no tracepoint follows. Its methods are not safe for
// concurrent use.
type Sockets struct{ conn *netlink.Conn }

// Socket is a TCP socket as the kernel has it at a moment.
type Socket struct {
	// State is CLOSED where there is no such socket.
	State observe.State
	// Minimal is true in TIME-WAIT, and in FIN-WAIT-2 once no program holds the
	// socket: the kernel has put a smaller one in its place (tcp_time_wait in
	// net/ipv4/tcp_minisocks.c).
	Minimal bool
	// Due is in how much time the socket's timer is due, not counting what the
	// timer wheel adds. It is negative when no timer runs.
	Due time.Duration
}

// The layout of struct inet_diag_req_v2 and struct inet_diag_msg
// (include/uapi/linux/inet_diag.h).
const (
	sockDiagByFamily = 20
	sockDestroy      = 21
	diagRequestBytes = 56
	diagAnswerBytes  = 72
	diagStates       = 4 // in a request
	diagID           = 8 // in a request
	diagAnswerID     = 4
	diagIDBytes      = 48
	diagState        = 1
	diagTimer        = 2
	diagExpires      = 52
	diagInode        = 68
	noCookie         = 1<<64 - 1
	timeWaitTimer    = 3
)

// OpenSockets begins to look at a namespace's sockets. The caller closes it; the
// namespace stays the caller's. Where the kernel shows none, the error is a
// *sandbox.Unavailable.
func OpenSockets(ns *netns.NS) (*Sockets, error) {
	s := &Sockets{}
	err := ns.Do(func() (err error) {
		s.conn, err = netlink.Dial(unix.NETLINK_SOCK_DIAG, nil)
		return err
	})
	if err != nil {
		return nil, cannotLook(fmt.Errorf("open sock_diag socket: %w", err))
	}
	// Without its module, the kernel knows of no socket. A dump of the sockets in
	// no state at all tells that apart.
	if _, err := s.ask(netlink.Dump, make([]byte, diagRequestBytes), unix.AF_INET); err != nil {
		return nil, errors.Join(cannotLook(fmt.Errorf("ask sock_diag: %w", err)), s.Close())
	}
	return s, nil
}

func cannotLook(err error) error {
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EPROTONOSUPPORT) || errors.Is(err, unix.EINVAL) {
		return &sandbox.Unavailable{Missing: "a view of sockets (sock_diag)", Err: err,
			Remedy: "Load the kernel's module tcp_diag, or use a kernel with CONFIG_INET_DIAG."}
	}
	return err
}

// Close releases the socket that asks.
func (s *Sockets) Close() error { return s.conn.Close() }

// Find looks one socket up by its two ends.
func (s *Sockets) Find(local, remote netip.AddrPort) (Socket, error) {
	request, family := socketRequest(local, remote)
	answers, err := s.ask(0, request, family)
	switch {
	case errors.Is(err, unix.ENOENT):
		return Socket{State: observe.Closed, Due: -1}, nil
	case err != nil:
		return Socket{}, fmt.Errorf("look for socket %s – %s: %w", local, remote, err)
	}
	for _, m := range answers {
		if len(m.Data) >= diagAnswerBytes {
			return decodeSocket(m.Data), nil
		}
	}
	return Socket{}, fmt.Errorf("look for socket %s – %s: the kernel's answer is too short", local, remote)
}

// States in the kernel's bitmaps (include/net/tcp_states.h): LISTEN, and those of a
// connection whose socket keeps its namespace, which TIME-WAIT's does not.
const (
	listening = 1 << unix.BPF_TCP_LISTEN
	connected = 1<<unix.BPF_TCP_ESTABLISHED | 1<<unix.BPF_TCP_SYN_SENT | 1<<unix.BPF_TCP_SYN_RECV | 1<<unix.BPF_TCP_FIN_WAIT1 |
		1<<unix.BPF_TCP_FIN_WAIT2 | 1<<unix.BPF_TCP_CLOSE_WAIT | 1<<unix.BPF_TCP_LAST_ACK | 1<<unix.BPF_TCP_CLOSING
)

// Listens tells whether a socket listens on a TCP port of any address.
func (s *Sockets) Listens(port uint16) (bool, error) {
	answers, err := s.all(listening)
	if err != nil {
		return false, fmt.Errorf("look for listeners: %w", err)
	}
	return slices.ContainsFunc(answers, func(m netlink.Message) bool {
		return binary.BigEndian.Uint16(m.Data[diagAnswerID:]) == port
	}), nil
}

// Abort ends connections at once, as `ss --kill` does (tcp_abort in net/ipv4/tcp.c),
// with a RST where one is due: those that programs hold and, where AbortsUnowned, those
// that nobody does any more. The kernel would keep their namespaces until it has given up
// sending their FINs. Listeners and TIME-WAIT stay. Where the kernel or a security module
// allows it for none, the error is a *sandbox.Unavailable.
func (s *Sockets) Abort() error {
	answers, err := s.all(connected)
	if err != nil {
		return fmt.Errorf("look for connections: %w", err)
	}
	var errs []error
	for _, m := range answers {
		owned := binary.NativeEndian.Uint32(m.Data[diagInode:]) != 0
		if m.Data[diagTimer] == timeWaitTimer || !owned && !AbortsUnowned() {
			continue
		}
		request := make([]byte, diagRequestBytes)
		copy(request[diagID:], m.Data[diagAnswerID:diagAnswerID+diagIDBytes])
		switch _, err := s.send(sockDestroy, netlink.Acknowledge, request, m.Data[0]); {
		case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
			return &sandbox.Unavailable{Missing: "an end of connections from outside (SOCK_DESTROY)", Err: err,
				Remedy: "Use a kernel with CONFIG_INET_DIAG_DESTROY."}
		case err != nil && !errors.Is(err, unix.ENOENT): // it may have ended meanwhile
			errs = append(errs, fmt.Errorf("abort a connection: %w", err))
		}
	}
	return errors.Join(errs...)
}

// AbortsUnowned tells whether Abort ends what no program holds any more. Before Linux
// 6.11 the kernel would take such a socket's timer away and leave it there, and so its
// namespace for ever (commit bac76cf89816, "tcp: fix forever orphan socket caused by
// tcp_abort"). That some older ones have this mended does not show.
var AbortsUnowned = sync.OnceValue(func() bool {
	var u unix.Utsname
	var major, minor int
	if unix.Uname(&u) != nil {
		return false
	}
	_, err := fmt.Sscanf(unix.ByteSliceToString(u.Release[:]), "%d.%d", &major, &minor)
	return err == nil && (major > 6 || major == 6 && minor >= 11)
})

// all are the sockets of both families that are in one of some states.
func (s *Sockets) all(states uint32) (found []netlink.Message, err error) {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		request := make([]byte, diagRequestBytes)
		binary.NativeEndian.PutUint32(request[diagStates:], states)
		answers, err := s.ask(netlink.Dump, request, family)
		if err != nil {
			return nil, err
		}
		for _, m := range answers {
			if len(m.Data) >= diagAnswerBytes {
				found = append(found, m)
			}
		}
	}
	return found, nil
}

// socketRequest asks for one socket by its two ends.
func socketRequest(local, remote netip.AddrPort) (request []byte, family uint8) {
	request, family = make([]byte, diagRequestBytes), unix.AF_INET
	if local.Addr().Is6() {
		family = unix.AF_INET6
	}
	id := request[diagID:]
	binary.BigEndian.PutUint16(id, local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], local.Addr().AsSlice())
	copy(id[20:36], remote.Addr().AsSlice())
	binary.NativeEndian.PutUint64(id[40:], noCookie)
	return request, family
}

// ask sends a question.
func (s *Sockets) ask(flags netlink.HeaderFlags, request []byte, family uint8) ([]netlink.Message, error) {
	return s.send(sockDiagByFamily, flags, request, family)
}

// send completes a request and sends it.
func (s *Sockets) send(what netlink.HeaderType, flags netlink.HeaderFlags, request []byte, family uint8) ([]netlink.Message, error) {
	request[0], request[1] = family, unix.IPPROTO_TCP
	return s.conn.Execute(netlink.Message{
		Header: netlink.Header{Type: what, Flags: netlink.Request | flags},
		Data:   request,
	})
}

// decodeSocket reads an answer. Where only a listener is left that would take the
// connection's segments, the connection's own socket is gone.
func decodeSocket(answer []byte) Socket {
	s := Socket{State: state(uint32(answer[diagState])), Minimal: answer[diagTimer] == timeWaitTimer, Due: -1}
	if s.State == observe.Listen {
		s.State = observe.Closed
		return s
	}
	if answer[diagTimer] != 0 {
		due := int32(binary.NativeEndian.Uint32(answer[diagExpires:]))
		s.Due = time.Duration(max(due, 0)) * time.Millisecond
	}
	return s
}
