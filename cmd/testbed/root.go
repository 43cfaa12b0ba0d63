package main

import (
	"github.com/spf13/cobra"
)

// newRoot is the command with all its subcommands.
func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "testbed",
		Short: "Network emulation with the real Linux TCP stack",
		Long: `testbed builds a network of Linux network namespaces, performs real kernel TCP
handshakes across it, and says what happened, whether it was expected, and why.

A scenario is one YAML file: a network, what happens on it, and what must be
observed. Nothing of the host is touched, and no root is needed.`,
		Example: `  testbed run scenarios/firewall-drop.yaml   run one scenario and tell its story
  testbed run scenarios/                     run all of a folder, several at once
  testbed validate my.yaml                   check a file without running it
  testbed doctor                             does this machine have what is needed?`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return usage("%w\nSee: %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(newRun(), newValidate(), newDoctor(), newSchema(), newExec(), newVersion())
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	root.Args = usageArgs(root.Args)
	return root
}

// usageArgs makes wrong arguments an error of the command line.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage("%w\nSee: %s --help", err, cmd.CommandPath())
		}
		return nil
	}
}
