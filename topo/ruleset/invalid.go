package ruleset

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

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
	// Line and Column are the place in the ruleset's text, from 1, the column in
	// characters; 0 where the tool does not tell. What is missing at the text's end is
	// after its last character that is no space.
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

// IsInvalid tells whether an error is that of a ruleset which its tool refuses.
func IsInvalid(err error) bool {
	var refused *Invalid
	return errors.As(err, &refused)
}

// The messages of the tools. nft tells first where a file that it complains about was
// included from. iptables-restore tells the line after what is wrong with it, if it
// tells that at all.
var (
	nftIncluded  = regexp.MustCompile(`^In file included from \S+?:(\d+):(\d+)`)
	nftPlace     = regexp.MustCompile(`^(\S+?):(\d+):(\d+)(?:-\d+)?: (?:Error: )?(.*)$`)
	iptablesEnd  = regexp.MustCompile(`^(COMMIT expected) at line (\d+)$`)
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
		e.Complaints = iptablesComplaints(r.Tool.Program(), printed)
	}
	for i := range e.Complaints {
		e.Complaints[i].place(r.Text)
	}
	if len(e.Complaints) == 0 {
		e.Complaints = []Complaint{{Message: fmt.Sprintf("%s: %v: %s", r.Tool.Program(), failure, strings.TrimSpace(printed))}}
	}
	return e
}

func nftComplaints(printed string, before int) (all []Complaint) {
	var included *Complaint   // of the file that the next message is about
	told := map[string]bool{} // of included files, each of which is told of once
	for line := range strings.SplitSeq(printed, "\n") {
		if m := nftIncluded.FindStringSubmatch(line); m != nil {
			c := nftComplaint(m[1], m[2], before)
			included = &c
			continue
		}
		m := nftPlace.FindStringSubmatch(line)
		switch {
		case m == nil, included == nil && told[m[1]]:
		case included == nil:
			c := nftComplaint(m[2], m[3], before)
			c.Message = m[4]
			all = append(all, c)
		case !told[m[1]]:
			included.Message = fmt.Sprintf("in the included file %s, line %s: %s", m[1], m[2], m[4])
			all, told[m[1]] = append(all, *included), true
			fallthrough
		default:
			included = nil
		}
	}
	return all
}

// place puts a complaint where the tool means, which counts columns in bytes, and goes
// beyond the text for what is missing at its end.
func (c *Complaint) place(text string) {
	lines := strings.Split(strings.TrimRight(text, " \t\r\n"), "\n")
	bytes := c.Column - 1
	if c.Line > len(lines) {
		c.Line, bytes = len(lines), len(text)
	}
	if c.Line > 0 && c.Column > 0 {
		own := lines[c.Line-1]
		c.Column = utf8.RuneCountInString(own[:min(bytes, len(own))]) + 1
	}
}

func nftComplaint(line, column string, before int) (c Complaint) {
	c.Line, _ = strconv.Atoi(line)
	c.Column, _ = strconv.Atoi(column)
	c.Line = max(c.Line-before, 1)
	return c
}

// iptablesComplaints is the one complaint that iptables-restore stops at.
func iptablesComplaints(program, printed string) []Complaint {
	c := Complaint{}
	for line := range strings.SplitSeq(strings.TrimSpace(printed), "\n") {
		line = iptablesName.ReplaceAllString(line, "")
		if m := iptablesLine.FindStringSubmatch(line); m != nil {
			c.Line, _ = strconv.Atoi(m[1])
			line = m[2]
		}
		if m := iptablesEnd.FindStringSubmatch(line); m != nil {
			n, _ := strconv.Atoi(m[2])
			c.Line, line = max(n-1, 1), m[1]+" after this line"
		}
		if c.Message == "" && !strings.HasPrefix(line, "Try ") {
			c.Message = line
		}
	}
	if c.Line == 0 {
		return nil
	}
	if c.Message == "" {
		c.Message = fmt.Sprintf("%s refuses this line: it takes what %s prints, *filter, rules such as -A FORWARD -j DROP, and COMMIT",
			program, strings.Replace(program, "restore", "save", 1))
	}
	return []Complaint{c}
}
