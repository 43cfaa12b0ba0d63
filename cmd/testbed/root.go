package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
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
  testbed list nat                           scenarios that come with the testbed
  testbed show nat-idle-timeout > my.yaml    one of them, to change
  testbed explore my.yaml --seeds 1..500     many seeds on a virtual clock
  testbed validate my.yaml                   check a file without running it
  testbed doctor                             does this machine have what is needed?`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var value *pflag.InvalidValueError
		if errors.As(err, &value) && errors.Is(err, strconv.ErrSyntax) && value.GetFlag().Value.Type() == "int" {
			err = fmt.Errorf("--%s %s: it takes a whole number", value.GetFlag().Name, value.GetValue())
		}
		return usage("%w\nSee: %s --help", err, cmd.CommandPath())
	})
	root.AddCommand(newRun(), newExplore(), newMutate(), newList(), newShow(), newValidate(), newDoctor(), newSchema(), newExec(), newKernel(), newVersion())
	for _, c := range root.Commands() {
		c.Args = usageArgs(c.Args)
	}
	root.Args = usageArgs(known)
	finishDefaults(root)
	return root
}

// finishDefaults adds cobra's own commands and makes them refuse what they don't
// know.
func finishDefaults(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd()
	for _, c := range root.Commands() {
		switch c.Name() {
		case "help":
			c.Args = usageArgs(func(_ *cobra.Command, args []string) error {
				cmd, rest, err := root.Find(args)
				if err != nil {
					return err
				}
				return known(cmd, rest)
			})
		case "completion":
			c.Example = `  source <(testbed completion bash)                  in this shell
  testbed completion bash > /etc/bash_completion.d/testbed
  testbed completion zsh > "${fpath[1]}/_testbed"
  testbed completion fish > ~/.config/fish/completions/testbed.fish`
			c.Args = usageArgs(known)
			c.RunE = func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
		}
	}
}

// known refuses every argument as an unknown subcommand, and says which one was
// probably meant.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	cmd.SuggestionsMinimumDistance = 2
	hint := ""
	if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
		hint = fmt.Sprintf("\n  did you mean %q?", near[0])
	}
	return fmt.Errorf("unknown command %q for %q\n  valid: %s%s", args[0], cmd.CommandPath(), strings.Join(subcommands(cmd), ", "), hint)
}

func subcommands(cmd *cobra.Command) (names []string) {
	for _, c := range cmd.Commands() {
		if c.IsAvailableCommand() {
			names = append(names, c.Name())
		}
	}
	return names
}

// usageArgs makes wrong arguments an error of the command line.
func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		err := check(cmd, args)
		if err == nil {
			return nil
		}
		if strings.Contains(err.Error(), "arg(s)") { // cobra's words for a number that is wrong
			err = fmt.Errorf("%s takes %s, and got %s", cmd.Name(), strings.TrimPrefix(cmd.Use, cmd.Name()+" "), number(args))
		}
		return usage("%w\nSee: %s --help", err, cmd.CommandPath())
	}
}

// number is how many arguments there are, in words.
func number(args []string) string {
	switch len(args) {
	case 0:
		return "nothing"
	case 1:
		return fmt.Sprintf("only %q", args[0])
	}
	return fmt.Sprintf("%d arguments", len(args))
}
