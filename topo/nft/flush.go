package nft

import (
	"fmt"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"
)

// ctDelete is IPCTNL_MSG_CT_DELETE, which without a flow means all of them
// (linux/netfilter/nfnetlink_conntrack.h).
const ctDelete = 2

// FlushFlows makes conntrack forget every flow of the namespace, as `conntrack -F`
// does. On a kernel without CONFIG_NF_CT_NETLINK it fails with EINVAL.
func (h *Handle) FlushFlows() error {
	h.mu.Lock()
	defer h.mu.Unlock()
	_, err := h.socket.Execute(netlink.Message{
		Header: netlink.Header{
			Type:  unix.NFNL_SUBSYS_CTNETLINK<<8 | ctDelete,
			Flags: netlink.Request | netlink.Acknowledge,
		},
		Data: []byte{unix.AF_UNSPEC, unix.NFNETLINK_V0, 0, 0},
	})
	if err != nil {
		return fmt.Errorf("flush conntrack: %w", err)
	}
	return nil
}
