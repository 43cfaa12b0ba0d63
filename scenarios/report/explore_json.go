package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
)

// ExplorationDocument is what ExplorationJSON writes. It holds nothing that
// another machine, or another number of jobs, would write otherwise.
type ExplorationDocument struct {
	Version int    `json:"version"`
	OK      bool   `json:"ok"`
	Name    string `json:"name"`
	File    string `json:"file,omitempty"`
	Kernel  string `json:"kernel"`
	Links   string `json:"links"`
	// Seeds are as asked for, Planned how many they are, Done how many were run.
	Seeds       string       `json:"seeds"`
	Planned     int          `json:"planned"`
	Done        int          `json:"done"`
	Interrupted bool         `json:"interrupted,omitempty"`
	Steps       []StepShares `json:"steps"`
	// FailedSeeds are in the order in which they were named. Command shows the first
	// one again; empty if none failed.
	FailedSeeds []uint64  `json:"failed_seeds"`
	Command     string    `json:"command,omitempty"`
	Runs        []SeedRun `json:"runs"`
}

// ExplorationJSON writes an exploration as one ExplorationDocument, indented, with
// every seed's times.
func ExplorationJSON(w io.Writer, e *Exploration) error {
	d := ExplorationDocument{
		Version: Version, Name: e.Scenario.Name, File: e.Scenario.File, Kernel: e.Kernel, Links: e.Links,
		Seeds: e.Seeds, Planned: e.Planned, Done: e.Done(), Interrupted: e.Interrupted,
		Steps: e.Shares(), FailedSeeds: e.failed(), Command: e.again(), Runs: e.runs,
	}
	d.OK = len(d.FailedSeeds) == 0
	if d.Runs == nil {
		d.Runs = []SeedRun{}
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return fmt.Errorf("encode JSON: %w", err)
	}
	_, err := io.WriteString(w, escapeUnprintable(b.String()))
	return err
}

// again is the command that shows the first failure; empty if there is none.
func (e *Exploration) again() string {
	first := e.FirstFailure()
	if first == nil {
		return ""
	}
	return e.Command[0] + " --seed " + strconv.FormatUint(first.Seed, 10) + " " + e.Command[1]
}
