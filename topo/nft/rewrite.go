package nft

import (
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"slices"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"testbed/topo"
)

// tcpOptions are nft's names of TCP options, and their kinds (IANA).
var tcpOptions = map[topo.TCPOption]struct {
	name string
	kind uint8
}{
	topo.OptionMSS:         {"maxseg", 2},
	topo.OptionWindowScale: {"window", 3},
	topo.OptionSACK:        {"sack-perm", 4},
	topo.OptionTimestamps:  {"timestamp", 8},
	topo.OptionFastOpen:    {"fastopen", 34},
}

// tcpMSS is NFT_RT_TCPMSS: what fits the MTU of the packet's route, there and back.
const tcpMSS = expr.RtTCPMSS

// clampMSS is `tcp option maxseg size set 1340`, or `… set rt mtu` for 0. The kernel
// only ever lowers the option.
func clampMSS(mss uint16) statement {
	write := &expr.Exthdr{SourceRegister: 1, Type: tcpOptions[topo.OptionMSS].kind, Offset: 2, Len: 2, Op: expr.ExthdrOpTcpopt}
	if mss == 0 {
		return statement{text: "tcp option maxseg size set rt mtu", exprs: []expr.Any{
			&expr.Rt{Register: 1, Key: tcpMSS},
			&expr.Byteorder{SourceRegister: 1, DestRegister: 1, Op: expr.ByteorderHton, Len: 2, Size: 2},
			write,
		}}
	}
	return statement{
		text:  fmt.Sprintf("tcp option maxseg size set %d", mss),
		exprs: []expr.Any{&expr.Immediate{Register: 1, Data: binary.BigEndian.AppendUint16(nil, mss)}, write},
	}
}

// isSYN is `tcp flags syn`: of a SYN or a SYN-ACK.
func isSYN() statement {
	return statement{text: "tcp flags syn", exprs: []expr.Any{
		&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
		masked([]byte{byte(topo.SYN)}),
		&expr.Cmp{Op: expr.CmpOpNeq, Register: 1, Data: []byte{0}},
	}}
}

// resetOption is `reset tcp option timestamp`: NOPs in place of the option. It is
// what the library makes of an expression that reads and writes nothing; see
// encode.
func resetOption(o topo.TCPOption) statement {
	k := tcpOptions[o]
	return statement{text: "reset tcp option " + k.name, exprs: []expr.Any{&expr.Exthdr{Type: k.kind, Op: expr.ExthdrOpTcpopt}}}
}

// strip takes options away. ECNSetup takes a chain of its own.
func strip(r *topo.Rule, ownChain string) ([]statement, []*chain, error) {
	if len(r.Options) == 0 {
		return nil, nil, errors.New("strip: no options")
	}
	var parts []statement
	for _, o := range topo.TCPOptions {
		if _, known := tcpOptions[o]; known && slices.Contains(r.Options, o) {
			parts = append(parts, resetOption(o))
		}
	}
	for _, o := range r.Options {
		if !slices.Contains(topo.TCPOptions, o) {
			return nil, nil, fmt.Errorf("strip: %q is no option", o)
		}
	}
	if !slices.Contains(r.Options, topo.ECNSetup) {
		return parts, nil, nil
	}
	c := &chain{name: ownChain + "-ecn", rules: []rule{clearECNSetup(topo.SYN, true), clearECNSetup(topo.SYN|topo.ACK, false)}}
	return append(parts, jump(c.name)), []*chain{c}, nil
}

// The flags of RFC 3168, section 6.1.
const (
	ece topo.TCPFlags = 1 << 6
	cwr topo.TCPFlags = 1 << 7
)

// clearECNSetup is `tcp flags syn,ecn,cwr / fin,syn,rst,ack,ecn,cwr tcp flags set syn`.
func clearECNSetup(f topo.TCPFlags, both bool) rule {
	was, text, to := f|ece, "syn,ack,ecn", "syn | ack"
	if both {
		was, text, to = f|ece|cwr, "syn,ecn,cwr", "syn"
	}
	return rule{parts: []statement{
		{exprs: []expr.Any{&expr.Meta{Key: expr.MetaKeyL4PROTO, Register: 1}, equal([]byte{unix.IPPROTO_TCP})}},
		{
			text: "tcp flags " + text + " / fin,syn,rst,ack,ecn,cwr",
			exprs: []expr.Any{
				&expr.Payload{DestRegister: 1, Base: expr.PayloadBaseTransportHeader, Offset: 13, Len: 1},
				masked([]byte{byte(handshakeFlags | ece | cwr)}), equal([]byte{byte(was)}),
			},
		},
		{
			text:  "tcp flags set " + to,
			exprs: rewrite(expr.PayloadBaseTransportHeader, 12, []byte{0xff, 0}, []byte{0, byte(f)}, 16),
		},
	}}
}

// rewrite keeps the bits of a mask in bytes of a header, sets others, and corrects
// the checksum at an offset.
func rewrite(base expr.PayloadBase, offset uint32, mask, set []byte, checksum uint32) []expr.Any {
	n := uint32(len(mask))
	w := &expr.Payload{OperationType: expr.PayloadWrite, SourceRegister: 1, Base: base, Offset: offset, Len: n}
	if checksum != 0 {
		w.CsumType, w.CsumOffset = expr.CsumTypeInet, checksum
	}
	return []expr.Any{
		&expr.Payload{DestRegister: 1, Base: base, Offset: offset, Len: n},
		&expr.Bitwise{SourceRegister: 1, DestRegister: 1, Len: n, Mask: mask, Xor: set},
		w,
	}
}

// bleachECN is a chain that sets the ECN field of the IP header to Not-ECT (RFC
// 3168, section 5):
//
//	chain rule-1-ecn {
//		ip ecn set not-ect
//		ip6 ecn set not-ect
//	}
func bleachECN(ownChain string) ([]statement, []*chain) {
	c := &chain{name: ownChain + "-ecn"}
	for f, exprs := range [][]expr.Any{
		v4: rewrite(expr.PayloadBaseNetworkHeader, 0, []byte{0xff, 0xfc}, []byte{0, 0}, 10),
		v6: rewrite(expr.PayloadBaseNetworkHeader, 1, []byte{0xcf}, []byte{0}, 0),
	} {
		is := isFamily(family(f))
		is.text = families[f].keyword + " ecn set not-ect"
		is.exprs = append(is.exprs, exprs...)
		c.rules = append(c.rules, rule{parts: []statement{is}})
	}
	return []statement{jump(c.name)}, []*chain{c}
}

// jump is `jump rule-1`.
func jump(to string) statement {
	return statement{text: "jump " + to, exprs: []expr.Any{&expr.Verdict{Kind: expr.VerdictJump, Chain: to}}}
}

// proxy is `synproxy mss 1460 wscale 7 timestamp sack-perm`.
func proxy(p *topo.Proxy) statement {
	s := statement{text: fmt.Sprintf("synproxy mss %d wscale %d", p.MSS, p.WindowScale)}
	if p.Timestamps {
		s.text += " timestamp"
	}
	if p.SACK {
		s.text += " sack-perm"
	}
	s.exprs = []expr.Any{&expr.SynProxy{
		Mss: p.MSS, Wscale: p.WindowScale, Timestamp: p.Timestamps, SackPerm: p.SACK, MssValueSet: true, WscaleValueSet: true,
	}}
	return s
}

// unknown is `ct state invalid,untracked`: what a synproxy answers, the SYNs that
// untracked leaves alone and the ACKs that belong to no flow yet.
func unknown() statement {
	return ctState("invalid,untracked", expr.CtStateBitINVALID|expr.CtStateBitUNTRACKED)
}

// proxied are the addresses that a synproxy is for, of IPv4 alone: it verifies the
// checksum of IPv6 as if it were IPv4's, and would drop every SYN (net/netfilter/
// nft_synproxy.c, nft_synproxy_do_eval). It keeps the SYNs that it is to answer out of
// conntrack:
//
//	chain untracked {
//		type filter hook prerouting priority raw; policy accept;
//		meta nfproto ipv4 tcp dport 80 tcp flags syn / fin,syn,rst,ack notrack
//	}
func (c *compiler) proxied(r *topo.Rule, where []statement) ([][]statement, error) {
	syn := *r
	syn.Action, syn.Match.Proto, syn.Match.Flags = "", "tcp", topo.SYN
	what, err := c.transport(&syn)
	if err != nil {
		return nil, err
	}
	match := r.Match
	if match.From == "" && match.To == "" {
		match.From = "0.0.0.0/0"
	}
	all, err := c.addresses(&match)
	if err != nil {
		return nil, err
	}
	if all = all[:1]; !isIPv4(all[0]) {
		return nil, errors.New("synproxy: Linux has it for IPv4 alone")
	}
	ch := c.untracked()
	ch.rules = append(ch.rules, rule{parts: slices.Concat(where, all[0], what, []statement{{text: "notrack", exprs: []expr.Any{&expr.Notrack{}}}})})
	return all, nil
}

// isIPv4 tells whether an alternative is that of IPv4.
func isIPv4(parts []statement) bool {
	return len(parts) > 0 && slices.EqualFunc(parts[0].exprs, isFamily(v4).exprs, func(a, b expr.Any) bool { return reflect.DeepEqual(a, b) })
}

// untracked is the chain of notrack, which is made once.
func (c *compiler) untracked() *chain {
	for _, ch := range c.out.chains {
		if ch.name == "untracked" {
			return ch
		}
	}
	ch := &chain{name: "untracked", base: &base{
		kind: nftables.ChainTypeFilter, hook: nftables.ChainHookPrerouting, hookName: "prerouting",
		priority: nftables.ChainPriorityRaw, priorityName: "raw",
	}}
	c.out.chains = append(c.out.chains, ch)
	return ch
}
