package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"path"
	"strings"

	"github.com/creack/pty"
	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

func newExec() *cobra.Command {
	var runName string
	c := &cobra.Command{
		Use:   "exec NODE -- COMMAND…",
		Short: "Run a command in a node of a network that run --keep holds",
		Long: `Exec runs a command inside a node of a network that "testbed run --keep" holds
open: in its network namespace, with its host name and its /etc/hosts. It ends
with the command's exit code.`,
		Example: `  testbed run scenarios/firewall-drop.yaml --keep     in one terminal
  testbed exec client -- ping -c 1 server             in another
  testbed exec fw -- sh`,
		Args: cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			node, command := args[0], args[1:]
			if command[0] == "--" { // it comes after the first argument, so the flags' parser leaves it
				command = command[1:]
			}
			if len(command) == 0 {
				return usage("no command to run in %s", node)
			}
			return enter(runName, node, command)
		},
	}
	c.Flags().StringVar(&runName, "run", "", "which kept run, by its scenario's name or its process id, when there are several")
	c.Flags().SetInterspersed(false)
	return c
}

// enter runs a command behind the door of a kept run.
func enter(runName, node string, args []string) error {
	door, err := findDoor(runName)
	if err != nil {
		return err
	}
	c, err := knock(door)
	if err != nil {
		return fmt.Errorf("enter the network: %w", err)
	}
	defer c.Close()
	dir, _ := os.Getwd()
	req := request{Node: node, Args: args, Env: os.Environ(), Dir: dir}
	req.Terminal = term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
	files := []*os.File{os.Stdin, os.Stdout, os.Stderr}
	if req.Terminal {
		tty, restore, err := openTerminal()
		if err != nil {
			return err
		}
		defer restore()
		defer tty.Close()
		files = []*os.File{tty, tty, tty}
	}
	r, err := ask(c, req, files)
	if err != nil {
		return err
	}
	if r.Error != "" {
		return &codeError{code: r.Exit, err: fmt.Errorf("%s", r.Error)}
	}
	if r.Exit != 0 {
		return &codeError{code: r.Exit}
	}
	return nil
}

// errForeignDoor means that somebody else listens under the name of a door.
var errForeignDoor = errors.New("it belongs to another user, who could read all that is sent")

// knock connects to a door. An abstract name is anybody's to take, so it makes
// sure that this user, or root, opened it.
func knock(door string) (*net.UnixConn, error) { return knockAs(door, os.Geteuid()) }

func knockAs(door string, user int) (*net.UnixConn, error) {
	c, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: "@" + door, Net: "unix"})
	if err != nil {
		return nil, err
	}
	uid, err := peerUser(c)
	if err == nil && uid != user && uid != 0 {
		err = errForeignDoor
	}
	if err != nil {
		c.Close()
		return nil, fmt.Errorf("door %s: %w", door, err)
	}
	return c, nil
}

// foreign tells whether a door is somebody else's.
func foreign(door string) bool {
	c, err := knock(door)
	if err == nil {
		c.Close()
	}
	return errors.Is(err, errForeignDoor)
}

// ask sends a request with its files and waits for the program's end.
func ask(c *net.UnixConn, req request, files []*os.File) (*reply, error) {
	b, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	var fds []int
	for _, f := range files {
		fds = append(fds, int(f.Fd()))
	}
	if _, _, err := c.WriteMsgUnix([]byte{0}, unix.UnixRights(fds...), nil); err != nil {
		return nil, fmt.Errorf("send files: %w", err)
	}
	if _, err := c.Write(b); err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	var r reply
	if err := json.NewDecoder(c).Decode(&r); err != nil {
		return nil, fmt.Errorf("the network was taken down: %w", err)
	}
	return &r, nil
}

// openTerminal makes a pseudoterminal for the program, joined to this terminal in
// raw mode, so that job control, editing and resizing work. restore gives this
// terminal back.
func openTerminal() (tty *os.File, restore func(), err error) {
	ptmx, tty, err := pty.Open()
	if err != nil {
		return nil, nil, fmt.Errorf("open pseudoterminal: %w", err)
	}
	pty.InheritSize(os.Stdin, ptmx)
	old, err := term.MakeRaw(int(os.Stdin.Fd()))
	if err != nil {
		return nil, nil, fmt.Errorf("make terminal raw: %w", err)
	}
	resized := make(chan os.Signal, 1)
	signal.Notify(resized, unix.SIGWINCH)
	go func() {
		for range resized {
			pty.InheritSize(os.Stdin, ptmx)
		}
	}()
	go io.Copy(ptmx, os.Stdin)
	shown := make(chan struct{})
	go func() {
		defer close(shown)
		io.Copy(os.Stdout, ptmx)
	}()
	return tty, func() {
		tty.Close() // the last one closed ends the output, once all of it is read
		<-shown
		term.Restore(int(os.Stdin.Fd()), old)
	}, nil
}

// findDoor is the name of the only kept run, or of the one that is named.
func findDoor(runName string) (string, error) {
	b, err := os.ReadFile("/proc/net/unix")
	if err != nil {
		return "", fmt.Errorf("list kept runs: %w", err)
	}
	var doors, matching []string
	for _, line := range strings.Split(string(b), "\n") {
		fields := strings.Fields(line)
		name, ours := strings.CutPrefix(fieldOr(fields, 7), "@"+doorPrefix())
		if !ours || fieldOr(fields, 3) != listening || foreign(doorPrefix()+name) {
			continue
		}
		doors = append(doors, name)
		if runName == "" || path.Base(name) == runName || path.Dir(name) == runName {
			matching = append(matching, name)
		}
	}
	switch {
	case len(doors) == 0:
		return "", usage("no network is held open; start one with: testbed run FILE --keep")
	case len(matching) == 0:
		return "", usage("no kept run is named %q; there are: %s", runName, strings.Join(doors, ", "))
	case len(matching) > 1:
		return "", usage("%d networks are held open: choose one with --run: %s", len(matching), strings.Join(matching, ", "))
	}
	return doorPrefix() + matching[0], nil
}

// listening is the flags column of a socket that accepts (SO_ACCEPTCON) in
// /proc/net/unix.
const listening = "00010000"

func fieldOr(fields []string, i int) string {
	if i < len(fields) {
		return fields[i]
	}
	return ""
}
