package nft

import (
	"errors"
	"slices"
	"strings"

	"github.com/google/nftables/expr"
	"golang.org/x/sys/unix"

	"testbed/topo/sandbox"
)

// optional are expressions that a kernel with nftables may lack all the same: what
// they are for, and what brings them.
var optional = []struct {
	is           func(expr.Any) bool
	what, option string
}{
	{is[*expr.SynProxy], "synproxy", "CONFIG_NFT_SYNPROXY"},
	{is[*expr.Connlimit], "a count of flows (conntrack: max)", "CONFIG_NFT_CONNLIMIT"},
	{is[*expr.Exthdr], "rewriting of TCP options (strip, clamp-mss)", "CONFIG_NF_TABLES of Linux 5.18 or later"},
	{is[*expr.Numgen], "numgen (nth, probability)", "CONFIG_NFT_NUMGEN"},
	{is[*expr.Limit], "limit (rate)", "CONFIG_NFT_LIMIT"},
	{is[*expr.Reject], "reject", "CONFIG_NFT_REJECT_INET"},
	{is[*expr.Socket], "socket (a NAT's filtering)", "CONFIG_NFT_SOCKET"},
	{is[*expr.NAT], "NAT", "CONFIG_NFT_NAT"},
	{is[*expr.Ct], "conntrack (state)", "CONFIG_NFT_CT"},
}

func is[T expr.Any](e expr.Any) bool { _, ok := e.(T); return ok }

// lacking makes a *sandbox.Unavailable of an error with which a kernel refuses what
// it does not have, and names what of the ruleset that may be.
func (r *Ruleset) lacking(err error) error {
	refused := slices.ContainsFunc([]error{unix.ENOENT, unix.EOPNOTSUPP, unix.EPROTONOSUPPORT}, func(e error) bool { return errors.Is(err, e) })
	var what, options []string
	for _, o := range optional {
		if r.uses(o.is) {
			what, options = append(what, o.what), append(options, o.option)
		}
	}
	if !refused || len(what) == 0 {
		return err
	}
	return &sandbox.Unavailable{
		Missing: "nftables with " + strings.Join(what, ", or with "), Err: err,
		Remedy: "A kernel with " + strings.Join(options, ", ") + " is needed; `testbed doctor` tries each, and `testbed run --kernel 6.12` brings one along.",
	}
}

func (r *Ruleset) uses(is func(expr.Any) bool) bool {
	for _, ch := range r.chains {
		for _, rule := range ch.rules {
			if slices.ContainsFunc(rule.exprs(), is) {
				return true
			}
		}
	}
	return false
}
