// Package scenarios holds the scenarios that come with the testbed. Each shows
// one behaviour of TCP/IP and states what must be observed.
package scenarios

import (
	"embed"
	"io/fs"
	"path"
	"slices"
)

// Library is the scenario files: Library.ReadFile("closed-port.yaml"), or
// Library.ReadFile("slow/keepalive.yaml").
//
//go:embed *.yaml */*.yaml
var Library embed.FS

// Theme is a folder of the library and what its scenarios have in common.
type Theme struct {
	// Folder is the folder's name, empty for the library's root.
	Folder string
	Title  string
	// About says in a sentence what one finds there.
	About string
}

// Themes are the library's, in the order of a connection's life.
var Themes = []Theme{
	{"", "First steps", "The ones to begin with."},
	{"setting-up", "Setting up", "How a connection comes to be, segment by segment and state by state."},
	{"no-answer", "No answer to the SYN", "Down, dropped, lost or sent astray: the client hears nothing."},
	{"refused", "RST instead of SYN-ACK", "Who refused, and how to tell a closed port from a firewall."},
	{"dies-later", "The SYN-ACK came, then it dies", "Connections that look established and carry nothing."},
	{"attack", "Attack", "SYN floods, and what helps legitimate clients through them."},
	{"timing", "Time", "How long handshakes take, with delay, loss and TLS."},
	{"scanning", "Scanning", "What a port scan sees: open, closed, filtered."},
	{"ending", "Ending", "How a connection ends, and what it leaves behind."},
	{"nat", "NAT in the field", "Mappings that expire, run out, loop back or let strangers in."},
	{"names", "Names and families", "Resolvers that mislead, and IPv6 paths that are broken."},
	{"slow", "Hours in seconds", "What takes minutes to hours in real time, for the virtual clock."},
}

// Files are the paths of a theme's scenarios, by name.
func (t Theme) Files() []string {
	files, err := fs.Glob(Library, path.Join(t.Folder, "*.yaml"))
	if err != nil {
		panic(err) // the pattern is malformed: no folder of ours makes it so
	}
	return files
}

// Files are the paths of all scenarios, theme by theme.
func Files() []string {
	var all [][]string
	for _, t := range Themes {
		all = append(all, t.Files())
	}
	return slices.Concat(all...)
}
