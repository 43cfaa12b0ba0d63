package ruleset

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"testbed/topo"
	"testbed/topo/sandbox"
)

// Invalid is a ruleset that its tool refuses.
type Invalid struct {
	Ruleset topo.Ruleset
	// Complaints are the tool's, in its own order.
	Complaints []Complaint
}

// Complaint is one message of a tool.
type Complaint struct {
	// Line and Column are the place in the ruleset's text, from 1; 0 where the tool
	// does not tell.
	Line, Column int
	Message      string
}

// Error gives all complaints, with the lines of the text.
func (e *Invalid) Error() string {
	var all []string
	for _, c := range e.Complaints {
		all = append(all, fmt.Sprintf("%s line %d: %s", e.Ruleset.Tool, c.Line, c.Message))
	}
	return strings.Join(all, "\n")
}

// The messages of the tools. iptables-restore tells the line after what is wrong
// with it.
var (
	nftPlace     = regexp.MustCompile(`^\S+?:(\d+):(\d+)(?:-\d+)?: (?:Error: )?(.*)$`)
	iptablesLine = regexp.MustCompile(`^(?:Error occurred at )?line:? (\d+)(?: failed)?(?:: (.*))?$`)
	iptablesName = regexp.MustCompile(`^ip6?tables(?:-legacy|-nft)?-restore(?: v[0-9.]+ \(\w+\))?: ?`)
)

// lacking are what tools say where the kernel has no such thing.
var lacking = []string{"missing kernel module", "Operation not supported", "Protocol not supported", "Protocol wrong type"}

// refusal is the error for what a tool printed when it failed. The text that it
// read had some lines before the ruleset's own.
func refusal(r topo.Ruleset, printed string, before int, failure error) error {
	for _, sign := range lacking {
		if strings.Contains(printed, sign) {
			return &sandbox.Unavailable{
				Missing: "kernel support for what the ruleset under " + string(r.Tool) + " asks for", Err: fmt.Errorf("%s", strings.TrimSpace(printed)),
				Remedy: "Load the kernel module, or run it on another kernel: testbed run --kernel 6.12.",
			}
		}
	}
	e := &Invalid{Ruleset: r, Complaints: nftComplaints(printed, before)}
	if r.Tool != topo.Nftables {
		e.Complaints = iptablesComplaints(printed)
	}
	if len(e.Complaints) == 0 {
		e.Complaints = []Complaint{{Message: fmt.Sprintf("%s: %v: %s", r.Tool.Program(), failure, strings.TrimSpace(printed))}}
	}
	return e
}

func nftComplaints(printed string, before int) (all []Complaint) {
	for line := range strings.SplitSeq(printed, "\n") {
		if m := nftPlace.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[1])
			column, _ := strconv.Atoi(m[2])
			all = append(all, Complaint{Line: max(n-before, 1), Column: column, Message: m[3]})
		}
	}
	return all
}

// iptablesComplaints is the one complaint that iptables-restore stops at.
func iptablesComplaints(printed string) []Complaint {
	c := Complaint{}
	for line := range strings.SplitSeq(strings.TrimSpace(printed), "\n") {
		line = iptablesName.ReplaceAllString(line, "")
		if m := iptablesLine.FindStringSubmatch(line); m != nil {
			c.Line, _ = strconv.Atoi(m[1])
			line = m[2]
		}
		if c.Message == "" && !strings.HasPrefix(line, "Try ") {
			c.Message = line
		}
	}
	if c.Line == 0 {
		return nil
	}
	return []Complaint{c}
}
