package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"testbed/scenarios/index"
	"testbed/scenarios/report"
	"testbed/scenarios/spec"
)

// listFlags are those of `testbed list`.
type listFlags struct {
	markdown bool
	color    string
	ascii    bool
}

func newList() *cobra.Command {
	f := &listFlags{}
	c := &cobra.Command{
		Use:   "list [WORD…]",
		Short: "List the scenarios that come with the testbed",
		Long: `List shows the library of scenarios by theme, with what each one shows. With
words it shows those in which every word occurs: in the name, the summary, or
anywhere in the file, such as an outcome, an errno or a key. The beginning of a
word will do; words in quotes must stand together.

The library is in the program; show prints a scenario, to run it or to change it.`,
		Example: `  testbed list                          all of them
  testbed list nat timed-out            those with both words
  testbed show nat-idle-timeout > my.yaml
  testbed run my.yaml`,
		Args:              cobra.ArbitraryArgs,
		RunE:              func(_ *cobra.Command, args []string) error { return f.run(args) },
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.Flags().BoolVar(&f.markdown, "markdown", false, "as a page with links")
	c.Flags().StringVar(&f.color, "color", "auto", "colours: always, never; auto: on a terminal")
	c.Flags().BoolVar(&f.ascii, "ascii", false, "keep to ASCII")
	completeWords(c, "color", "auto", "always", "never")
	return c
}

func (f *listFlags) run(words []string) error {
	if err := oneOf("color", f.color, []string{"auto", "always", "never"}); err != nil {
		return err
	}
	all, err := index.All()
	if err != nil {
		return err
	}
	selected := index.Select(all, words)
	if len(selected) == 0 {
		return noneHas(all, words)
	}
	if f.markdown {
		return index.Markdown(os.Stdout, selected)
	}
	return report.IndexText(os.Stdout, selected, textOptions(os.Stdout, f.color, f.ascii))
}

// maxNear is how many scenarios are named where none has all words.
const maxNear = 6

// noneHas says which scenarios have most of the words that none has all of.
func noneHas(all []index.Section, words []string) error {
	single := strings.Fields(strings.Join(words, " "))
	names, nowhere := index.Nearest(all, single)
	hint := ""
	if len(nowhere) > 0 && len(nowhere) < len(single) {
		hint += "\n  in none: " + strings.Join(nowhere, ", ")
	}
	if n := len(names); n > maxNear {
		hint += fmt.Sprintf("\n  with most of them: %s, and %d more", strings.Join(names[:maxNear], ", "), n-maxNear)
	} else if n > 0 {
		hint += "\n  with most of them: " + strings.Join(names, ", ")
	}
	return usage("no scenario has all of these words: %s%s\n  every scenario: testbed list", strings.Join(words, ", "), hint)
}

func newShow() *cobra.Command {
	return &cobra.Command{
		Use:   "show NAME",
		Short: "Print a scenario of the library",
		Long: `Show prints the file of a scenario that comes with the testbed, by its name as
list shows it: to read it, or as the beginning of one's own.`,
		Example: `  testbed show firewall-drop
  testbed show firewall-drop > my.yaml && testbed run my.yaml`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error { return showScenario(args[0]) },
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			all, err := index.All()
			if err != nil {
				return nil, cobra.ShellCompDirectiveError
			}
			_, names := index.Find(all, "")
			return names, cobra.ShellCompDirectiveNoFileComp
		},
	}
}

func showScenario(name string) error {
	all, err := index.All()
	if err != nil {
		return err
	}
	e, names := index.Find(all, name)
	if e == nil {
		hint := ""
		if near := spec.Nearest(name, names); near != "" {
			hint = fmt.Sprintf("\n  did you mean %q?", near)
		}
		return usage("the library has no scenario named %q\n  all of them: testbed list%s", name, hint)
	}
	_, err = os.Stdout.Write(e.Source)
	return err
}
