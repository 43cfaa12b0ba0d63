package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
	"time"

	"testbed/scenarios/verdict"
)

// junitSuites and below are the JUnit XML format as CI systems read it.
type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Name     string       `xml:"name,attr"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Errors   int          `xml:"errors,attr"`
	Time     string       `xml:"time,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	File      string      `xml:"file,attr,omitempty"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Errors    int         `xml:"errors,attr"`
	Skipped   int         `xml:"skipped,attr"`
	Time      string      `xml:"time,attr"`
	Timestamp string      `xml:"timestamp,attr,omitempty"`
	Cases     []junitCase `xml:"testcase"`
}

// on puts a kernel's release into all names, so that CI systems, which know a test
// by its names, tell the same one on several kernels apart.
func (s *junitSuite) on(release string) {
	s.Name += " (Linux " + release + ")"
	for i := range s.Cases {
		s.Cases[i].Name += " (Linux " + release + ")"
	}
}

type junitCase struct {
	Name      string        `xml:"name,attr"`
	ClassName string        `xml:"classname,attr"`
	File      string        `xml:"file,attr,omitempty"`
	Line      int           `xml:"line,attr,omitempty"`
	Time      string        `xml:"time,attr"`
	Failure   *junitProblem `xml:"failure"`
	Error     *junitProblem `xml:"error"`
	Skipped   *junitProblem `xml:"skipped"`
	Stdout    *junitOutput  `xml:"system-out"`
	Stderr    *junitOutput  `xml:"system-err"`
}

type junitProblem struct {
	Message string `xml:"message,attr"`
	Type    string `xml:"type,attr,omitempty"`
	Text    string `xml:",chardata"`
}

type junitOutput struct {
	Text string `xml:",chardata"`
}

// JUnit writes results as JUnit XML: one testsuite a scenario, one testcase a
// step. A failed expectation is a failure that holds the step's story; a
// testbed that failed itself is an error. Steps that were not reached are
// skipped, as are those of a scenario that is for other kernels. Where the results
// are of several kernels, the names say which one. The XML is
// well-formed whatever the outputs hold: characters that XML 1.0 forbids are
// written as escapes such as \x1b.
func JUnit(w io.Writer, results []*verdict.Result) error {
	all := junitSuites{Name: "testbed"}
	var total time.Duration
	releases := Kernels(results)
	for _, r := range eachCell(results) {
		s := suite(r)
		if len(releases) > 1 && r.Kernel != "" {
			s.on(inline(r.Kernel, maxField))
		}
		all.Tests += s.Tests
		all.Failures += s.Failures
		all.Errors += s.Errors
		total += r.Elapsed
		all.Suites = append(all.Suites, s)
	}
	all.Time = junitSeconds(total)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	enc := xml.NewEncoder(w)
	enc.Indent("", "  ")
	if err := enc.Encode(all); err != nil {
		return fmt.Errorf("encode JUnit XML: %w", err)
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func suite(r *verdict.Result) junitSuite {
	s := junitSuite{Name: cellName(r), Time: junitSeconds(r.Elapsed)}
	if !r.Began.IsZero() {
		s.Timestamp = r.Began.UTC().Format("2006-01-02T15:04:05")
	}
	if r.Scenario != nil {
		s.File = block(r.Scenario.File)
	}
	for label, st := range r.Each() {
		if st.Observation.Kind != verdict.Parallel {
			s.add(stepCase(r, label, st))
		}
	}
	if r.Err != nil {
		s.add(junitCase{Name: "testbed", ClassName: s.Name, File: s.File, Time: "0.000", Error: &junitProblem{
			Message: firstLine(r.Err.Error()), Type: "testbed", Text: block(r.Err.Error()),
		}})
		s.addUnreached(r, "not reached")
	} else if r.Skipped != "" {
		s.addUnreached(r, inline(r.Skipped, maxField))
	}
	return s
}

func (s *junitSuite) add(c junitCase) {
	s.Cases = append(s.Cases, c)
	s.Tests++
	switch {
	case c.Failure != nil:
		s.Failures++
	case c.Error != nil:
		s.Errors++
	case c.Skipped != nil:
		s.Skipped++
	}
}

// addUnreached adds the steps that come after the last one that ran, with the
// reason why they did not.
func (s *junitSuite) addUnreached(r *verdict.Result, why string) {
	if r.Scenario == nil {
		return
	}
	for i := len(r.Steps); i < len(r.Scenario.Steps); i++ {
		s.add(junitCase{
			Name: fmt.Sprintf("step %d", i+1), ClassName: s.Name, File: s.File, Line: r.Scenario.Steps[i].Line, Time: "0.000",
			Skipped: &junitProblem{Message: why},
		})
	}
}

func stepCase(r *verdict.Result, label string, st *verdict.StepResult) junitCase {
	o := st.Observation
	c := junitCase{Name: fmt.Sprintf("%s: %s", label, titleOf(o)), ClassName: cellName(r), Time: junitSeconds(o.Elapsed)}
	if st.Step != nil {
		c.Line = st.Step.Line
	}
	if r.Scenario != nil {
		c.File = block(r.Scenario.File)
	}
	if v := withSeries(r, label, st.Verdict); !v.OK {
		c.Failure = &junitProblem{Message: failureMessage(v), Type: "expectation", Text: stepText(r, st)}
	}
	c.Stdout, c.Stderr = junitText(o.Stdout), junitText(o.Stderr)
	return c
}

// failureMessage names the expectations that were not met.
func failureMessage(v verdict.Verdict) string {
	var out []string
	for _, c := range v.Checks {
		if !c.OK {
			out = append(out, fmt.Sprintf("%s: expected %s, observed %s", inline(c.Key, maxField), expectation(c), inline(c.Observed, maxField)))
		}
	}
	if len(out) == 0 {
		return "the step failed"
	}
	return strings.Join(out, "; ")
}

// stepText is a step's text report with its story, without colours.
func stepText(r *verdict.Result, st *verdict.StepResult) string {
	t := &text{Options: Options{Story: StoryAlways}, result: r}
	t.step(st)
	return "\n" + block(t.String())
}

func junitText(s string) *junitOutput {
	if s == "" {
		return nil
	}
	return &junitOutput{Text: block(cutBytes(s, maxOutput))}
}

func junitSeconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

func firstLine(s string) string {
	s, _, _ = strings.Cut(strings.TrimSpace(s), "\n")
	return inline(s, maxField)
}
