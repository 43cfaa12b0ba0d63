package nft

import (
	"fmt"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"

	"testbed/topo"
)

// limitFlows drops what would begin a flow beyond so many, as early as it is known
// to begin one. It stands for the kernel's nf_conntrack_max, which only the host's
// own network namespace may set:
//
//	chain flows {
//		type filter hook prerouting priority mangle; policy accept;
//		ct state new jump conntrack-full
//	}
//	chain flows-out {
//		type filter hook output priority mangle; policy accept;
//		ct state new jump conntrack-full
//	}
//	chain conntrack-full {
//		ct count over 100 counter drop comment "conntrack:full"
//	}
func (c *compiler) limitFlows(most uint32) {
	if most == 0 {
		return
	}
	full := &chain{name: "conntrack-full", rules: []rule{{name: TableFull, parts: []statement{ctCountOver(most), counter(), drop()}}}}
	for _, at := range []struct {
		name, hookName string
		hook           *nftables.ChainHook
	}{{"flows", "prerouting", nftables.ChainHookPrerouting}, {"flows-out", "output", nftables.ChainHookOutput}} {
		c.out.chains = append(c.out.chains, &chain{
			name: at.name,
			base: &base{
				kind: nftables.ChainTypeFilter, hook: at.hook, hookName: at.hookName,
				priority: nftables.ChainPriorityMangle, priorityName: "mangle",
			},
			rules: []rule{{parts: []statement{ctState("new", expr.CtStateBitNEW), jump(full.name)}}},
		})
	}
	c.out.chains = append(c.out.chains, full)
	c.out.counted = append(c.out.counted, Count{Rule: TableFull, Action: topo.DropPacket})
}

// ctCountOver is `ct count over 100`.
func ctCountOver(n uint32) statement {
	return statement{text: fmt.Sprintf("ct count over %d", n), exprs: []expr.Any{&expr.Connlimit{Count: n, Flags: expr.NFT_CONNLIMIT_F_INV}}}
}
