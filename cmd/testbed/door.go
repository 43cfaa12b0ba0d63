package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	agentexec "testbed/agents/exec"
	"testbed/scenarios/run"
	"testbed/topo/sandbox"
)

// A kept run is entered by its door: a Unix socket with an abstract name
// (unix(7)) in the host's network namespace, which vanishes with the process. It
// is opened before the sandbox is entered, and only its owner is let in.

// doorPrefix begins the names of all doors of this user.
func doorPrefix() string { return fmt.Sprintf("testbed/%d/", os.Getuid()) }

// openDoor listens for `testbed exec`.
func openDoor(scenario string) (*os.File, error) {
	name := fmt.Sprintf("@%s%d/%s", doorPrefix(), os.Getpid(), strings.ReplaceAll(scenario, "/", "_"))
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name[:min(len(name), 100)], Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("open the door for testbed exec: %w", err)
	}
	defer l.Close()
	return l.File()
}

// request is what a visitor wants to run; its standard files come with it.
type request struct {
	Node     string   `json:"node"`
	Args     []string `json:"args"`
	Env      []string `json:"env"`
	Dir      string   `json:"dir"`
	Terminal bool     `json:"terminal"`
}

// reply is how it ended. Error is set when it could not be started.
type reply struct {
	Exit  int    `json:"exit"`
	Error string `json:"error,omitempty"`
}

// hold serves visitors until the context ends.
func hold(ctx context.Context, lab *run.Lab) {
	f := sandbox.File(0)
	l, err := net.FileListener(f)
	f.Close()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testbed: open the door for testbed exec:", err)
		<-ctx.Done()
		return
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go visit(c.(*net.UnixConn), lab)
	}
}

// visit runs one visitor's program. When the visitor goes, so does the program.
func visit(c *net.UnixConn, lab *run.Lab) {
	defer c.Close()
	r, err := admit(c, lab)
	if err != nil {
		r = &reply{Exit: exitUsage, Error: err.Error()}
	}
	json.NewEncoder(c).Encode(r)
}

// admit checks who it is and does what it wants.
func admit(c *net.UnixConn, lab *run.Lab) (*reply, error) {
	if err := checkPeer(c); err != nil {
		return nil, err
	}
	req, files, err := receive(c)
	defer func() {
		for _, f := range files {
			f.Close()
		}
	}()
	if err != nil {
		return nil, err
	}
	node := lab.Plan().Topology.NodeIndex(req.Node)
	if node < 0 {
		return nil, fmt.Errorf("no node %q here; there are %s", req.Node, strings.Join(nodeNames(lab), ", "))
	}
	cmd, err := agentexec.Start(lab.Program(node), agentexec.Command{
		Args: req.Args, Env: req.Env, Dir: req.Dir, Terminal: req.Terminal,
		Stdin: files[0], Stdout: files[1], Stderr: files[2],
	})
	var unfurnished *agentexec.FurnishError
	switch {
	case errors.As(err, &unfurnished):
		return &reply{Exit: codeOf(err), Error: err.Error()}, nil
	case err != nil:
		return &reply{Exit: 127, Error: err.Error()}, nil
	}
	return &reply{Exit: waitOrLeave(c, cmd)}, nil
}

// checkPeer lets only the user in who holds the network: inside a user namespace
// it is user 0, as everybody else is the overflow user.
func checkPeer(c *net.UnixConn) error {
	uid, err := peerUser(c)
	if err == nil && uid != os.Getuid() {
		err = fmt.Errorf("this network belongs to another user")
	}
	return err
}

// peerUser is who connected, or who listens (SO_PEERCRED in unix(7)).
func peerUser(c *net.UnixConn) (uid int, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, err
	}
	var peer *unix.Ucred
	ctlErr := raw.Control(func(fd uintptr) { peer, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := errors.Join(ctlErr, err); err != nil {
		return 0, fmt.Errorf("ask who it is: %w", err)
	}
	return int(peer.Uid), nil
}

// maxRequest bounds a request, in bytes.
const maxRequest = 1 << 20

// receive reads three files, which come with one byte, and a request. The files are the caller's to
// close, also with an error.
func receive(c *net.UnixConn) (*request, []*os.File, error) {
	oob := make([]byte, unix.CmsgSpace(3*4))
	_, oobn, _, _, err := c.ReadMsgUnix(make([]byte, 1), oob)
	if err != nil {
		return nil, nil, fmt.Errorf("read files: %w", err)
	}
	var files []*os.File
	if msgs, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
		for i := range msgs {
			fds, _ := unix.ParseUnixRights(&msgs[i])
			for _, fd := range fds {
				unix.CloseOnExec(fd)
				files = append(files, os.NewFile(uintptr(fd), "visitor"))
			}
		}
	}
	var req request
	if err := json.NewDecoder(io.LimitReader(c, maxRequest)).Decode(&req); err != nil {
		return nil, files, fmt.Errorf("read request: %w", err)
	}
	if len(files) != 3 || len(req.Args) == 0 {
		return nil, files, fmt.Errorf("a request needs a command and three files")
	}
	return &req, files, nil
}

// waitOrLeave waits for the program; a visitor that hangs up meanwhile ends it
// with its whole group. What it left in the background when it ended goes on.
func waitOrLeave(c net.Conn, cmd *exec.Cmd) int {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	left := make(chan struct{})
	go func() {
		// Nothing more comes from a visitor, so this returns when it hangs up, or
		// when the connection is closed after the program's end.
		c.Read(make([]byte, 1))
		close(left)
	}()
	select {
	case err := <-ended:
		return agentexec.ExitCode(err)
	case <-left:
	}
	select {
	case err := <-ended: // its group may be somebody else's by now
		return agentexec.ExitCode(err)
	default:
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	}
	return agentexec.ExitCode(<-ended)
}

func nodeNames(lab *run.Lab) (names []string) {
	for _, n := range lab.Plan().Nodes {
		names = append(names, n.Name)
	}
	return names
}
