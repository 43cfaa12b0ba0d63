package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"testbed/vm/kernel"
)

func newKernelList() *cobra.Command {
	asJSON := false
	c := &cobra.Command{
		Use:   "list",
		Short: "List the kernels that are there",
		Long: `List shows the kernels that were fetched and those in /boot, in the order in which
they are taken where none is named. The one that is taken now has a star.`,
		Example: `  testbed kernel list
  testbed kernel list --json`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return inStore(func(_ context.Context, s kernel.Store) error { return listKernels(s, asJSON) })
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return c
}

// kernelEntry is a line of the list.
type kernelEntry struct {
	kernel.Kernel
	// Size is in bytes.
	Size int64 `json:"size"`
	// Taken marks the one that is taken where none is named.
	Taken bool `json:"taken"`
	// Serves tells whether it can run a virtual clock; Lacks is what it lacks for it.
	Serves bool     `json:"serves"`
	Lacks  []string `json:"lacks"`
	// without says so in words.
	without string
}

func listKernels(s kernel.Store, asJSON bool) error {
	list, unread := s.List()
	entries := []kernelEntry{}
	taken, missing := s.Find("")
	for _, k := range list {
		entries = append(entries, describe(k, missing == nil && k.Image == taken.Image))
	}
	if missing == nil && taken.Source == kernel.FromPath {
		entries = append(entries, describe(taken, true))
	}
	if unread != nil {
		fmt.Fprintln(os.Stderr, prefix(unread)+unread.Error())
	}
	if asJSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return e.Encode(entries)
	}
	printKernels(os.Stdout, entries)
	if missing != nil {
		fmt.Println(missing)
	}
	return nil
}

// describe finds out what there is to say of a kernel.
func describe(k kernel.Kernel, taken bool) kernelEntry {
	e := kernelEntry{Kernel: k, Taken: taken, Lacks: []string{}}
	e.Size, _ = k.Size() // 0 for what can't be told
	missing, err := k.Lacks(kernel.Required...)
	switch {
	case err != nil:
		e.Lacks, e.without = kernel.Required, "no: it has no modules"
	case len(missing) > 0:
		e.Lacks, e.without = missing, "no: "+without(missing, nil)
	default:
		e.Serves, e.without = true, "yes"
	}
	return e
}

// printKernels prints the table.
func printKernels(out io.Writer, entries []kernelEntry) {
	if len(entries) == 0 {
		return
	}
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "  VERSION\tRELEASE\tFROM\tSIZE\tVIRTUAL CLOCK")
	for _, e := range entries {
		star := " "
		if e.Taken {
			star = "*"
		}
		fmt.Fprintf(w, "%s %s\t%s\t%s\t%s\t%s\n", star, e.Version, e.Release, e.Source, megabytes(e.Size), e.without)
	}
	w.Flush()
}

// megabytes is a size for people.
func megabytes(n int64) string { return fmt.Sprintf("%.0f MB", float64(n)/1e6) }
