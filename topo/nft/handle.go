package nft

import (
	"errors"
	"fmt"
	"sync"

	"github.com/google/nftables"
	"github.com/google/nftables/userdata"
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
// flows that conntrack knows live on. Afterwards the rules are read back and
// compared; Apply fails if the kernel has others.
//
//	add table inet testbed
//	delete table inet testbed
//	table inet testbed { … }
func (h *Handle) Apply(r *Ruleset) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := send(h.conn, r); err != nil {
		h.drain()
		return fmt.Errorf("apply table inet %s: %w", TableName, err)
	}
	h.drain()
	h.applied = r
	if err := h.verify(r); err != nil {
		return fmt.Errorf("read back table inet %s: %w", TableName, err)
	}
	return nil
}

// send is one batch. The kernel may run out of room for the acknowledgements of
// a long one, after it has decided: ENOBUFS says nothing about the rules, and
// reading them back does.
func send(c *nftables.Conn, r *Ruleset) error {
	c.AddTable(table)
	c.DelTable(table)
	if !r.IsEmpty() {
		c.AddTable(table)
		for _, ch := range r.chains {
			c.AddChain(ch.kernel())
		}
		for _, ch := range r.chains {
			if err := addRules(c, ch); err != nil {
				return err
			}
		}
	}
	if err := c.Flush(); err != nil && !errors.Is(err, unix.ENOBUFS) {
		return err
	}
	return nil
}

// drain throws away the answers to a batch that nobody has read, so that they are
// not taken for those to the next request. The kernel has queued them all by the
// time that it has taken the batch.
func (h *Handle) drain() {
	raw, err := h.socket.SyscallConn()
	if err != nil {
		return
	}
	raw.Control(func(fd uintptr) {
		for {
			_, _, err := unix.Recvfrom(int(fd), nil, unix.MSG_DONTWAIT|unix.MSG_TRUNC)
			if err != nil && !errors.Is(err, unix.EINTR) && !errors.Is(err, unix.ENOBUFS) {
				return
			}
		}
	})
}

// addRules puts a chain's rules, and before each the sets that it looks up, into
// the batch.
func addRules(c *nftables.Conn, ch *chain) error {
	for _, r := range ch.rules {
		for _, p := range r.parts {
			if p.set == nil {
				continue
			}
			if err := c.AddSet(p.set.kernel(), p.set.elements); err != nil {
				return fmt.Errorf("add set of rule %q: %w", r, err)
			}
		}
		c.AddRule(&nftables.Rule{Table: table, Chain: &nftables.Chain{Name: ch.name}, Exprs: r.exprs(), UserData: comment(r.name)})
	}
	return nil
}

// comment is a rule's user data.
func comment(name string) []byte {
	if name == "" {
		return nil
	}
	return userdata.AppendString(nil, userdata.TypeComment, name)
}

func (c *chain) kernel() *nftables.Chain {
	k := &nftables.Chain{Name: c.name, Table: table}
	if c.base != nil {
		accept := nftables.ChainPolicyAccept
		k.Type, k.Hooknum, k.Priority, k.Policy = c.base.kind, c.base.hook, c.base.priority, &accept
	}
	return k
}

// kernel has an ID already, so that the library's own counter of sets, which is
// shared by all connections without a lock, is left alone.
func (s *set) kernel() *nftables.Set {
	return &nftables.Set{
		Table: table, ID: s.id, Name: setName, KeyType: s.key,
		Anonymous: true, Constant: true, Interval: s.interval,
	}
}
