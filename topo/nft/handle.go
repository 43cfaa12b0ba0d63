package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"sync"
	"syscall"

	"github.com/google/nftables"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"testbed/topo/netns"
)

// table is the one that a Handle owns.
var table = &nftables.Table{Name: TableName, Family: nftables.TableFamilyINet}

// Handle applies rulesets to one network namespace and reads their counters. Its
// methods are safe for concurrent use.
type Handle struct {
	mu sync.Mutex
	// conn and socket are the same. It lives as long as the handle, because to
	// close one soon after a batch waits for RCU grace periods, some 10 ms.
	conn    *nftables.Conn
	socket  *netlink.Conn
	applied *Ruleset
}

// Open prepares a namespace for Apply. It changes nothing there, and does not
// need ns any more when it returns. The caller closes the handle. On a kernel
// without nftables it fails with EPROTONOSUPPORT.
func Open(ns *netns.NS) (*Handle, error) {
	h := &Handle{applied: &Ruleset{}}
	err := ns.Do(func() (err error) {
		h.conn, err = nftables.New(nftables.AsLasting(), nftables.WithSockOptions(h.adopt))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("open netfilter netlink socket: %w", err)
	}
	return h, nil
}

// batchBytes is room for a batch, which the kernel takes in one message, and for
// its acknowledgements: some thousand rules.
const batchBytes = 8 << 20

func (h *Handle) adopt(socket *netlink.Conn) error {
	h.socket = socket
	return errors.Join(socket.SetWriteBuffer(batchBytes), socket.SetReadBuffer(batchBytes))
}

// Close gives the socket up. The rules stay as long as the namespace.
func (h *Handle) Close() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.conn.CloseLasting()
}

// Apply replaces the table by the ruleset in one transaction: every packet sees
// either the old rules or the new ones. Counters, nth and rates start over. The
// flows that conntrack knows live on, and so do a NAT's mappings where its behaviours
// stay. Afterwards the rules are read back and compared; Apply fails if the kernel
// has others. It returns a *sandbox.Unavailable where the kernel lacks what a rule asks
// for. That somebody else has removed the table meanwhile, with all mappings, is no
// error.
//
//	add table inet testbed
//	delete table inet testbed
//	table inet testbed { … }
func (h *Handle) Apply(r *Ruleset) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.applied.stores) > 0 && h.verifyAbsent() == nil {
		h.applied = &Ruleset{}
	}
	if err := h.send(r); err != nil {
		return fmt.Errorf("apply table inet %s: %w", TableName, r.lacking(err))
	}
	h.applied = r
	if err := h.verify(r); err != nil {
		return fmt.Errorf("read back table inet %s: %w", TableName, err)
	}
	return nil
}

// Forget makes the next Apply forget a NAT's mappings, which it does in the same
// transaction.
func (h *Handle) Forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.applied = &Ruleset{}
}

// send is one batch. The kernel may run out of room for the acknowledgements of
// a long one, after it has decided: ENOBUFS says nothing about the rules, and
// reading them back does.
func (h *Handle) send(r *Ruleset) error {
	batch, err := encode(h.applied, r)
	if err != nil {
		return err
	}
	if _, err := h.socket.SendMessages(batch); err != nil {
		return fmt.Errorf("send batch: %w", err)
	}
	return h.answers()
}

// answers are the errors in the answers to a batch. The kernel has queued them
// all by the time that it has taken the batch; they are read to the last, so that
// none is taken for one to the next request. Each errno is told once: what the
// kernel lacks, it refuses in every rule.
func (h *Handle) answers() error {
	raw, err := h.socket.SyscallConn()
	if err != nil {
		return err
	}
	var errs []error
	b := make([]byte, os.Getpagesize()*8)
	err = raw.Control(func(fd uintptr) {
		for {
			n, _, err := unix.Recvfrom(int(fd), b, unix.MSG_DONTWAIT)
			switch {
			case errors.Is(err, unix.EINTR), errors.Is(err, unix.ENOBUFS):
				continue
			case err != nil:
				return
			}
			for _, e := range refusals(b[:n]) {
				if !slices.Contains(errs, e) {
					errs = append(errs, e)
				}
			}
		}
	})
	return errors.Join(append(errs, err)...)
}

// refusals are the errors in netlink messages.
func refusals(b []byte) (errs []error) {
	messages, err := syscall.ParseNetlinkMessage(b)
	if err != nil {
		return []error{fmt.Errorf("read answers: %w", err)}
	}
	for _, m := range messages {
		if m.Header.Type == unix.NLMSG_ERROR && len(m.Data) >= 4 {
			if code := int32(binary.NativeEndian.Uint32(m.Data)); code != 0 {
				errs = append(errs, unix.Errno(-code))
			}
		}
	}
	return errs
}
