package image

import (
	"errors"

	"testbed/vm/kernel"
)

// optional are modules that some scenario or program may ask for, beyond
// kernel.Required. A guest can't load them later, as it has no modprobe.
var optional = []string{
	// sockets, and what tells of them
	"inet_diag", "tcp_diag", "udp_diag", "af_packet_diag", "netlink_diag", "tcp_bbr", "tun",
	// links
	"cls_u32", "cls_bpf", "act_gact", "sch_tbf", "sch_fq", "sch_fq_codel", "sch_prio", "sch_htb", "ifb", "bridge",
	// firewalls and NAT
	"nft_reject", "nft_reject_ipv4", "nft_reject_ipv6", "nft_log", "nft_quota", "nft_connlimit", "nft_fib_inet", "nft_fib_ipv4",
	"nft_fib_ipv6", "nft_hash", "nft_socket", "nft_tproxy", "nft_synproxy", "nft_objref", "nft_compat", "nf_log_syslog",
	"nf_conntrack_netlink", "nfnetlink_cttimeout", "nf_conntrack_ftp", "nf_nat_ftp",
	"ip_tables", "iptable_filter", "iptable_nat", "iptable_mangle", "ip6_tables", "ip6table_filter",
	"xt_conntrack", "xt_tcpudp", "xt_state", "xt_limit", "xt_multiport", "xt_TCPMSS", "xt_nat", "xt_MASQUERADE", "xt_REDIRECT",
	"ipt_REJECT", "ip6t_REJECT", "xt_mark", "xt_comment", "xt_statistic", "xt_LOG",
}

// Modules are those that a guest loads, in the order of loading: the required
// ones, and the optional ones that the kernel has.
func Modules(k kernel.Kernel) ([]kernel.Module, error) {
	names := append([]string(nil), kernel.Required...)
	lacks, err := k.Lacks(optional...)
	if err != nil {
		return nil, err
	}
	missing := map[string]bool{}
	for _, name := range lacks {
		missing[name] = true
	}
	for _, name := range optional {
		if !missing[name] {
			names = append(names, name)
		}
	}
	modules, err := k.Load(names...)
	var none *kernel.NoModule
	if errors.As(err, &none) {
		return nil, none
	}
	return modules, err
}
