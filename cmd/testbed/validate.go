package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"testbed/scenarios/spec"
)

func newValidate() *cobra.Command {
	return &cobra.Command{
		Use:   "validate FILE|DIR…",
		Short: "Check scenario files without running them",
		Long: `Validate reads scenario files and tells every mistake in them, with file, line
and column. It builds nothing and needs no privilege.`,
		Example: "  testbed validate scenarios/",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			list, err := load(args)
			if err != nil {
				return err
			}
			for _, s := range list {
				fmt.Printf("%s: ok: %s, %s, %s%s\n", s.File, count(len(s.Topology.Nodes), "node"), count(len(s.Topology.Links), "link"), count(len(s.Steps), "step"), extent(s))
			}
			return nil
		},
	}
}

// extent is how often a scenario is run, empty for once.
func extent(s *spec.Scenario) (text string) {
	if n := len(s.Cells); n > 0 {
		text = ", " + count(n, "cell")
	}
	if n := s.Repetitions(); n > 1 {
		text += fmt.Sprintf(" ×%d", n)
	}
	return text
}

func newSchema() *cobra.Command {
	return &cobra.Command{
		Use:   "schema",
		Short: "Print the JSON Schema of scenario files",
		Long: `Schema prints the JSON Schema of the scenario language, for editors that check
and complete YAML.`,
		Example: `  testbed schema > testbed.schema.json
  # then, as the first line of a scenario:
  # yaml-language-server: $schema=testbed.schema.json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b, err := spec.Schema()
			if err != nil {
				return err
			}
			_, err = os.Stdout.Write(append(b, '\n'))
			return err
		},
	}
}
