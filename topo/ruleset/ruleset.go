// Package ruleset loads rulesets in the languages of nft and iptables into a
// network namespace, by the tools themselves.
package ruleset

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"testbed/topo"
	"testbed/topo/netns"
	"testbed/topo/sandbox"
)

// patience is how long a tool may take.
const patience = 30 * time.Second

// Load makes rulesets the only ones of a namespace: whatever other tables nftables
// has there goes, and with it what iptables has made by it. It returns an *Invalid
// for each ruleset that its tool refuses, all of them joined, and a
// *sandbox.Unavailable where the tool is not installed or the kernel lacks what a
// ruleset asks for. After an error it is not determined what is loaded.
func Load(ns *netns.NS, list []topo.Ruleset) error {
	var refused []error
	cleared := false
	for _, r := range list {
		if r.Tool != topo.Nftables && !cleared {
			if err := clearTables(ns); err != nil {
				return err
			}
		}
		cleared = true
		if err := restore(ns, r); err != nil {
			refused = append(refused, err)
			if !IsInvalid(err) {
				break
			}
		}
	}
	if cleared {
		return errors.Join(refused...)
	}
	return clearTables(ns)
}

// clearTables removes every table, where there is a tool that can.
func clearTables(ns *netns.NS) error {
	err := restore(ns, topo.Ruleset{Tool: topo.Nftables})
	var missing *sandbox.Unavailable
	if errors.As(err, &missing) {
		return nil // then iptables-restore empties the tables that it fills
	}
	return err
}

// restore hands a text to its tool, with some more arguments. nft clears all tables in
// the same transaction.
func restore(ns *netns.NS, r topo.Ruleset, args ...string) error {
	path, err := Find(r.Tool)
	if err != nil {
		return err
	}
	cmd, text, before := exec.Command(path, args...), r.Text, 0
	if r.Tool == topo.Nftables {
		cmd.Args, text, before = append(cmd.Args, "-f", "-"), "flush ruleset\n"+text, 1
	}
	if !strings.HasSuffix(text, "\n") {
		text += "\n"
	}
	var out bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(text), &out, &out
	// The old iptables locks a file that an ordinary user can't write to.
	cmd.Env = append(os.Environ(), "LC_ALL=C", "XTABLES_LOCKFILE="+os.DevNull)
	if err := ns.Do(cmd.Start); err != nil {
		return fmt.Errorf("start %s: %w", path, err)
	}
	timer := time.AfterFunc(patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	if err := cmd.Wait(); err != nil {
		return refusal(r, out.String(), before, err)
	}
	return nil
}

// sbin are where administrators' programs are, which are not on an ordinary user's
// PATH.
var sbin = []string{"/usr/sbin", "/sbin", "/usr/local/sbin"}

// Find is the path of a tool's program, or a *sandbox.Unavailable.
func Find(t topo.Tool) (string, error) { return find(t, sbin) }

func find(t topo.Tool, beside []string) (string, error) {
	program := t.Program()
	path, err := exec.LookPath(program)
	for _, dir := range beside {
		if err != nil {
			path, err = exec.LookPath(filepath.Join(dir, program))
		}
	}
	if err != nil {
		return "", &sandbox.Unavailable{
			Missing: fmt.Sprintf("%s, which loads what a node has under %s", program, t), Err: errors.New("it is not installed"),
			Remedy: fmt.Sprintf("Install it: apt install %s, dnf install %[1]s, apk add %[1]s.", t.Package()),
		}
	}
	return path, nil
}
