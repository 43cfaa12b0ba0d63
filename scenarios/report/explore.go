package report

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"testbed/scenarios/spec"
	"testbed/scenarios/verdict"
)

// Exploration is one scenario run with many seeds. Its methods are not safe for
// concurrent use.
type Exploration struct {
	Scenario *spec.Scenario
	// Kernel is the release that it runs on, Links the medium as it was asked for.
	Kernel, Links string
	// Seeds are the seeds as a person wrote them, Planned how many they are.
	Seeds   string
	Planned int
	// Command is the command that runs the scenario with a seed, without the seed's
	// number: its first part and its last.
	Command [2]string
	// Interrupted says that somebody ended it before all seeds were run.
	Interrupted bool

	runs []SeedRun
}

// SeedRun is the result of one seed, in short.
type SeedRun struct {
	Seed uint64 `json:"seed"`
	OK   bool   `json:"ok"`
	// Error is why the testbed itself failed; empty otherwise.
	Error string     `json:"error,omitempty"`
	Steps []SeedStep `json:"steps"`
	// order is the seed's place among all.
	order int
}

// SeedStep is what a seed made of a step. Its fields are those of StepDocument.
type SeedStep struct {
	Step int `json:"step"`
	// Branch is the step's place in the parallel step that it is of, from 1.
	Branch int `json:"branch,omitempty"`
	// Cell are the values of a scenario's matrix, such as "loss=5%, delay=10ms".
	Cell            string `json:"cell,omitempty"`
	OK              bool   `json:"ok"`
	Outcome         string `json:"outcome,omitempty"`
	Errno           string `json:"errno,omitempty"`
	ElapsedNS       int64  `json:"elapsed_ns"`
	ConnectTimeNS   *int64 `json:"connect_time_ns,omitempty"`
	AcceptTimeNS    *int64 `json:"accept_time_ns,omitempty"`
	TLSTimeNS       *int64 `json:"tls_time_ns,omitempty"`
	FirstByteTimeNS *int64 `json:"first_byte_time_ns,omitempty"`
	// Packets counts what was sent: {"SYN": 2}.
	Packets map[string]int `json:"packets,omitempty"`
	// Unmet are the keys of the expectations that were not met.
	Unmet []string `json:"unmet,omitempty"`

	title string
	// how is the outcome in words; key and main are the time that says most.
	how, key string
	main     time.Duration
	// cell is the place of the cell among all.
	cell int
}

// Add counts the result of a seed, which is the order-th of all.
func (e *Exploration) Add(order int, seed uint64, r *verdict.Result) {
	run := SeedRun{Seed: seed, OK: r.OK(), Steps: []SeedStep{}, order: order}
	if r.Err != nil {
		run.Error = r.Err.Error()
	}
	for label, s := range r.Each() {
		switch o := s.Observation; {
		case o.Kind == verdict.Parallel:
		case len(o.Samples) > 0:
			run.Steps = append(run.Steps, seedSamples(r, 0, inARow(label, s))...)
		default:
			step := seedStep(*s)
			step.Step, step.Branch = numbers(label)
			run.Steps = append(run.Steps, step)
		}
	}
	for i, c := range r.Cells {
		for k := range c.Series {
			run.Steps = append(run.Steps, seedSamples(c, i, &c.Series[k])...)
		}
	}
	e.runs = append(e.runs, run)
}

// numbers are a step's, and its place in a parallel step or 0.
func numbers(label string) (step, branch int) {
	fmt.Sscanf(label, "%d.%d", &step, &branch)
	return step, branch
}

// seedSamples are the repetitions of a step in a cell, the i-th.
func seedSamples(c *verdict.Result, i int, s *verdict.Series) (all []SeedStep) {
	for k := range s.Samples {
		x := &s.Samples[k]
		out := SeedStep{
			OK: x.OK, Outcome: string(x.Outcome), Errno: x.Errno, ElapsedNS: int64(x.Elapsed),
			ConnectTimeNS: ns(x.ConnectTime), AcceptTimeNS: ns(x.AcceptTime), TLSTimeNS: ns(x.TLSTime), FirstByteTimeNS: ns(x.FirstByteTime),
			Unmet: x.Unmet, title: titleIn(c, s.Title), how: cmp.Or(x.Ending(s.Kind), "done"), main: x.Elapsed, key: "elapsed", cell: i,
		}
		out.Step, out.Branch = numbers(s.Label)
		if c.Scenario != nil {
			out.Cell = c.Scenario.CellName()
		}
		for _, key := range []string{"connect_time", "first_byte_time"} {
			if t := x.Time(key); t != nil {
				out.key, out.main = key, *t
			}
		}
		all = append(all, out)
	}
	return all
}

func seedStep(s verdict.StepResult) SeedStep {
	o, f := s.Observation, newFacts(s)
	out := SeedStep{
		Step: o.Step, OK: s.Verdict.OK, Outcome: string(o.Outcome), Errno: o.Errno, ElapsedNS: int64(o.Elapsed),
		ConnectTimeNS: ns(o.ConnectTime), AcceptTimeNS: ns(o.AcceptTime), TLSTimeNS: ns(o.TLSTime), FirstByteTimeNS: ns(o.FirstByteTime),
		Packets: f.packets, title: titleOf(o), how: cmp.Or(f.outcome, "done"), key: f.mainTime(),
	}
	out.main = f.times[out.key]
	for _, c := range s.Verdict.Checks {
		if !c.OK {
			out.Unmet = append(out.Unmet, c.Key)
		}
	}
	return out
}

// Cut forgets the seeds after the first one that failed, so that a run that ends
// with the first failure tells the same however many seeds ran at once.
func (e *Exploration) Cut() {
	if first := e.FirstFailure(); first != nil {
		at := first.order
		e.runs = slices.DeleteFunc(e.runs, func(r SeedRun) bool { return r.order > at })
	}
}

// FirstFailure is the first of the seeds, in the order in which they were named,
// that failed; nil for none.
func (e *Exploration) FirstFailure() *SeedRun {
	e.sort()
	for i := range e.runs {
		if !e.runs[i].OK {
			return &e.runs[i]
		}
	}
	return nil
}

// Done and Failed count the seeds that were run, and those of them that failed.
func (e *Exploration) Done() int { return len(e.runs) }

// Failed counts the seeds that failed.
func (e *Exploration) Failed() int { return len(e.failed()) }

func (e *Exploration) failed() []uint64 {
	e.sort()
	seeds := []uint64{}
	for _, r := range e.runs {
		if !r.OK {
			seeds = append(seeds, r.Seed)
		}
	}
	return seeds
}

func (e *Exploration) sort() {
	slices.SortFunc(e.runs, func(a, b SeedRun) int { return a.order - b.order })
}

// Spread is how times spread: the least, the middle one, the one that 95% do not
// exceed, and the most, by nearest rank, so that each was really observed.
type Spread struct {
	// Time is the key of the time, such as connect_time.
	Time     string `json:"time"`
	MinNS    int64  `json:"min_ns"`
	MedianNS int64  `json:"median_ns"`
	P95NS    int64  `json:"p95_ns"`
	MaxNS    int64  `json:"max_ns"`
}

// Share is one outcome of a step, and how often it came.
type Share struct {
	Outcome string `json:"outcome"`
	Count   int    `json:"count"`
	// Share is Count as a part of all seeds that came to the step, from 0 to 1.
	Share float64 `json:"share"`
	Spread
}

// StepShares are a step's outcomes over all seeds, the most frequent first. Of a
// scenario that is run more than once for each seed, each run counts like a seed.
type StepShares struct {
	Step     int     `json:"step"`
	Branch   int     `json:"branch,omitempty"`
	Cell     string  `json:"cell,omitempty"`
	Title    string  `json:"title"`
	Seeds    int     `json:"seeds"`
	Outcomes []Share `json:"outcomes"`
	// Failed is how many seeds did not meet its expectations, Unmet how often each
	// of these was not met.
	Failed int            `json:"failed"`
	Unmet  map[string]int `json:"unmet,omitempty"`
}

// Shares are the outcomes of every step.
func (e *Exploration) Shares() []StepShares {
	steps := map[[3]int]*StepShares{}
	times := map[[3]int]map[[2]string][]time.Duration{}
	for _, r := range e.runs {
		for _, s := range r.Steps {
			at := [3]int{s.cell, s.Step, s.Branch}
			sum := steps[at]
			if sum == nil {
				sum = &StepShares{Step: s.Step, Branch: s.Branch, Cell: s.Cell, Title: s.title, Unmet: map[string]int{}}
				steps[at], times[at] = sum, map[[2]string][]time.Duration{}
			}
			sum.Seeds++
			if !s.OK {
				sum.Failed++
			}
			for _, key := range s.Unmet {
				sum.Unmet[key]++
			}
			kind := [2]string{s.how, s.key}
			times[at][kind] = append(times[at][kind], s.main)
		}
	}
	out := []StepShares{}
	order := func(a, b [3]int) int { return slices.Compare(a[:], b[:]) }
	for _, n := range slices.SortedFunc(maps.Keys(steps), order) {
		for kind, list := range times[n] {
			share := float64(len(list)) / float64(steps[n].Seeds)
			steps[n].Outcomes = append(steps[n].Outcomes, Share{kind[0], len(list), share, newSpread(kind[1], list)})
		}
		slices.SortFunc(steps[n].Outcomes, func(a, b Share) int {
			return cmp.Or(b.Count-a.Count, cmp.Compare(a.Outcome, b.Outcome), cmp.Compare(a.Time, b.Time))
		})
		out = append(out, *steps[n])
	}
	return out
}

func newSpread(key string, list []time.Duration) Spread {
	slices.Sort(list)
	at := func(percent int) int64 { return int64(list[max((len(list)*percent+99)/100, 1)-1]) }
	return Spread{key, at(0), at(50), at(95), at(100)}
}
