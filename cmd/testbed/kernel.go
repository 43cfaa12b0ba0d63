package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/signal"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"testbed/topo/sandbox"
	"testbed/vm/kernel"
)

func newKernel() *cobra.Command {
	c := &cobra.Command{
		Use:   "kernel",
		Short: "Get the kernels that a virtual clock needs",
		Long: `A virtual clock runs scenarios in a small virtual machine, which needs a Linux
kernel of its own: any x86-64 one with netem, veth and nftables as modules.
Debian's kernels for the cloud are small and have them, in two series: 6.1, from
before SYNs were sent again linearly (Linux 6.5), and 6.12.

Kernels are kept in ~/.cache/testbed/kernels ($TESTBED_CACHE/kernels, if it is
set). Those in /boot serve too. Nothing here needs root.`,
		Example: `  testbed kernel fetch 6.12      get the newest 6.12 from Debian's archive
  testbed kernel list            what is there, and which one is taken
  testbed kernel use 6.1         take 6.1 from now on`,
		Args: known,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.AddCommand(newKernelList(), newKernelFetch(), newKernelUse(), newKernelRemove())
	for _, sub := range c.Commands() {
		sub.Args = usageArgs(sub.Args)
	}
	return c
}

func newKernelFetch() *cobra.Command {
	mirror := ""
	c := &cobra.Command{
		Use:   "fetch VERSION|FILE.deb…",
		Short: "Get kernels from Debian's archive, or out of packages",
		Long: `Fetch gets the newest kernel of a series (6.12), of a version (6.12.117) or of a
release as uname -r prints it, from the archive of Debian 12: the package
linux-image-…-cloud-amd64, of which it keeps the kernel, its configuration and
its modules. About 35 MB are downloaded, and 130 MB kept.

The archive's index must be signed by Debian, whatever the mirror, and all else
is held against it. The same with a package that you have already, which is
trusted as it is. An interrupted fetch leaves nothing.

Exit codes: 0 it is there, 2 wrong usage or no such package, 3 the archive does
not have it or can't be reached, 4 the testbed itself failed, 130 interrupted.`,
		Example: `  testbed kernel fetch 6.12
  testbed kernel fetch 6.1 6.12
  testbed kernel fetch 6.12 --mirror http://mirror.example
  testbed kernel fetch ./linux-image-6.12.117+deb12-cloud-amd64_6.12.117-1_amd64.deb`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return inStore(func(ctx context.Context, s kernel.Store) error { return fetchKernels(ctx, s, args, mirror) })
		},
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			return []string{"6.1\tDebian 12's own", "6.12\tDebian 13's, for Debian 12"}, cobra.ShellCompDirectiveDefault
		},
	}
	c.Flags().StringVar(&mirror, "mirror", kernel.DefaultMirror, "the `URL` below which debian/ and debian-security/ are")
	return c
}

func newKernelUse() *cobra.Command {
	return &cobra.Command{
		Use:   "use VERSION|RELEASE|PATH|auto",
		Short: "Choose the kernel that is taken where none is named",
		Long: `Use makes a kernel the one that is taken where none is named. A series, such as
6.1, goes on to be the newest 6.1 that is there. A path is that of a kernel's
image, whose modules are near it or in /lib/modules, or of a folder that a
package was unpacked to.

Auto goes back to the order of testbed kernel list: the newest that was fetched,
then the newest in /boot.`,
		Example: `  testbed kernel use 6.1
  testbed kernel use 6.12.117+deb12-cloud-amd64
  testbed kernel use ~/linux/arch/x86/boot/bzImage
  testbed kernel use auto`,
		Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return inStore(func(_ context.Context, s kernel.Store) error { return useKernel(s, args[0]) })
		},
		ValidArgsFunction: completeKernels("auto\tthe newest that was fetched, or else in /boot"),
	}
}

func newKernelRemove() *cobra.Command {
	return &cobra.Command{
		Use:   "remove VERSION|RELEASE…",
		Short: "Remove kernels that were fetched",
		Long: `Remove removes kernels that testbed kernel fetch brought. It never touches /boot.
A series, such as 6.1, must stand for one kernel only.`,
		Example: `  testbed kernel remove 6.12.117
  testbed kernel remove 6.1.0-56-cloud-amd64`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			return inStore(func(ctx context.Context, s kernel.Store) error {
				for _, name := range args {
					k, err := s.Remove(ctx, name)
					if err != nil {
						return err
					}
					fmt.Printf("removed %s\n", k.Release)
				}
				return nil
			})
		},
		ValidArgsFunction: completeKernels(),
	}
}

// completeKernels offers the kernels that are there, and more words.
func completeKernels(more ...string) cobra.CompletionFunc {
	return func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		s, err := kernel.Default()
		if err != nil {
			return more, cobra.ShellCompDirectiveNoFileComp
		}
		list, _ := s.List() // what can't be read can't be offered
		words := more
		for _, k := range list {
			words = append(words, k.Version+"\t"+k.Release)
		}
		return words, cobra.ShellCompDirectiveNoFileComp
	}
}

// inStore calls f with the user's store, until it is interrupted, and gives its
// error a code.
func inStore(f func(context.Context, kernel.Store) error) error {
	s, err := kernel.Default()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), sandbox.Signals()...)
	defer stop()
	err = f(ctx, s)
	if err != nil && ctx.Err() != nil {
		return &codeError{code: exitInterrupted, err: errors.New("interrupted")}
	}
	return kernelError(err)
}

// kernelError decides on the exit code of an error of the package kernel.
func kernelError(err error) error {
	var (
		coded     *codeError
		notFound  *kernel.NotFound
		noModules *kernel.NoModules
		noModule  *kernel.NoModule
		absent    *kernel.NotInArchive
		mirror    *kernel.MirrorError
		ambiguous *kernel.Ambiguous
	)
	switch {
	case err == nil, errors.As(err, &coded):
		return err
	case errors.As(err, &ambiguous), errors.Is(err, kernel.ErrNotDeb), errors.Is(err, kernel.ErrNoKernel), errors.Is(err, kernel.ErrNotBzImage):
		return &codeError{code: exitUsage, err: err}
	case errors.As(err, &notFound), errors.As(err, &noModules), errors.As(err, &noModule), errors.As(err, &absent), errors.As(err, &mirror), errors.Is(err, fs.ErrPermission):
		return &codeError{code: exitUnavailable, err: err}
	}
	return err
}

// kernelVersion holds for what can be fetched by name.
var kernelVersion = regexp.MustCompile(`^[0-9]+\.[0-9]+[0-9A-Za-z.+~-]*$`)

// fetchKernels fetches each argument, once all of them are known to make sense.
func fetchKernels(ctx context.Context, s kernel.Store, args []string, mirror string) error {
	if u, err := url.Parse(mirror); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return usage("--mirror %s: it takes the URL of a mirror, such as %s", mirror, kernel.DefaultMirror)
	}
	for _, a := range args {
		if err := fetchable(a); err != nil {
			return err
		}
	}
	p := newFetchProgress(os.Stderr)
	defer p.close()
	for _, a := range args {
		k, fresh, err := fetchKernel(ctx, s, a, kernel.FetchOptions{Mirror: mirror, Progress: p.show})
		p.close()
		var mirror *kernel.MirrorError
		if errors.As(err, &mirror) {
			return fmt.Errorf("%w\nAnother mirror can be named with --mirror; or fetch from a file: testbed kernel fetch ./linux-image-…-cloud-amd64….deb", err)
		}
		if err != nil {
			return err
		}
		tellFetched(k, fresh)
	}
	return nil
}

func isPackage(arg string) bool { return strings.HasSuffix(arg, ".deb") }

// fetchable refuses what is no version and no file.
func fetchable(arg string) error {
	if isPackage(arg) {
		if _, err := os.Stat(arg); err != nil {
			return usage("%w", err)
		}
		return nil
	}
	if !kernelVersion.MatchString(arg) {
		return usage("%s is no version of Linux, such as 6.12 or 6.12.117, and no file *.deb", arg)
	}
	return nil
}

func fetchKernel(ctx context.Context, s kernel.Store, arg string, o kernel.FetchOptions) (k kernel.Kernel, fresh bool, err error) {
	if !isPackage(arg) {
		return s.Fetch(ctx, arg, o)
	}
	k, err = s.FetchFile(ctx, arg, o.Progress)
	return k, true, err
}

// tellFetched says what came of a fetch, and what the kernel can't do.
func tellFetched(k kernel.Kernel, fresh bool) {
	verb := "is here already"
	if fresh {
		verb = "is here"
	}
	fmt.Printf("Linux %s (%s) %s: %s\n", k.Version, k.Release, verb, k.Image)
	if missing, err := k.Lacks(kernel.Required...); err != nil || len(missing) > 0 {
		fmt.Printf("It can't run a virtual clock: %s\n", without(missing, err))
	}
}

// without says what a kernel lacks.
func without(missing []string, err error) string {
	if err != nil {
		return err.Error()
	}
	return "it lacks " + strings.Join(missing, ", ")
}

// useKernel chooses a kernel, or goes back to choosing by itself.
func useKernel(s kernel.Store, name string) error {
	if name != "auto" {
		k, err := s.Use(name)
		if err == nil {
			fmt.Printf("From now on: %s (%s)\n", k.Release, k.Image)
		}
		return err
	}
	if err := s.UseAny(); err != nil {
		return err
	}
	fmt.Println("From now on: the newest kernel that was fetched, or else in /boot.")
	k, err := s.Find("")
	if err != nil {
		fmt.Println(err) // which is no failure of this command
		return nil
	}
	fmt.Printf("Now it is %s (%s)\n", k.Release, k.Image)
	return nil
}
