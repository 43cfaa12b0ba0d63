package report

import (
	"fmt"
	"strings"

	"testbed/observe"
	"testbed/topo"
)

// rewritten tells what nodes on the way changed in the step's packets, and what
// that means for its connection.
func (e *evidence) rewritten() string {
	var parts []string
	for _, r := range e.Rewrites {
		parts = append(parts, fmt.Sprintf("%s %s", inline(r.Node, maxField), rewriteText(r)))
	}
	if len(parts) == 0 {
		return ""
	}
	text := "On the way " + list(parts) + "."
	for _, r := range e.Rewrites {
		if m := rewriteMeans(r); m != "" && !strings.Contains(text, m) {
			text += " " + m
		}
	}
	return text
}

// rewriteText is "took wscale out of 1 SYN".
func rewriteText(r observe.Rewrite) string {
	noun := "packet"
	if s := r.Flags.String(); s != "" && r.Packets == 1 {
		noun = s
	}
	of := count(r.Packets, noun)
	if r.Packets == 1 {
		of = "the " + noun
	}
	switch {
	case r.To == observe.Absent && r.From == "yes":
		return fmt.Sprintf("took %s out of %s", r.Field, of)
	case r.To == observe.Absent:
		return fmt.Sprintf("took %s %s out of %s", r.Field, r.From, of)
	}
	return fmt.Sprintf("changed %s from %s to %s in %s", r.Field, r.From, r.To, of)
}

// rewriteMeans is what follows from the loss of an option.
func rewriteMeans(r observe.Rewrite) string {
	if r.Field == observe.FieldECN && r.To == "not-ect" {
		return "A router in distress can no longer mark such packets, and has to drop them."
	}
	if r.To != observe.Absent {
		return ""
	}
	switch topo.TCPOption(r.Field) {
	case topo.OptionWindowScale:
		return "Without window scaling no more than 64 KiB can be on the way at once (RFC 7323)."
	case topo.OptionTimestamps:
		return "Without timestamps nothing protects against old segments with wrapped sequence numbers (RFC 7323)."
	case topo.OptionSACK:
		return "Without selective acknowledgements each loss costs a round trip (RFC 2018)."
	case topo.OptionMSS:
		return "Without an MSS the other end sends segments of 536 bytes, over IPv6 of 1220 (RFC 9293)."
	case topo.ECNSetup:
		return "The two ends do not agree on ECN then (RFC 3168)."
	}
	return ""
}
