// Package pcapng writes what was captured on a network's links as a pcapng file
// (draft-ietf-opsawg-pcapng), for Wireshark and its like. It is pure: the same
// frames give the same bytes.
package pcapng

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"testbed/netem"
	"testbed/observe"
	"testbed/topo"
)

// Capture is what a file is made of.
type Capture struct {
	// Scenario is the scenario's name, Kernel the release of the kernel that it
	// ran on. Either may be empty.
	Scenario, Kernel string
	// Plan is the network that the frames' links are of.
	Plan *topo.Plan
	// SnapLen is how many bytes of a frame were kept at most; 0 means all.
	SnapLen int
	// Frames are in the order in which the file has them.
	Frames []observe.Frame
	// Forgotten is how many earlier frames are not in Frames any more, Lost how
	// many passed that the capture could not record.
	Forgotten, Lost uint64
}

// ErrNoLinks means that the network has no link, so that a file would have no
// interface.
var ErrNoLinks = errors.New("the network has no links")

// application is what a file names as the program that wrote it.
const application = "testbed"

// Write writes a capture as one section, with an interface for each end of each
// link in their order: link 0 side 0, link 0 side 1, and so on. A packet is
// outbound (epb_flags) if the node at that end sent it and inbound if it was
// delivered to it. Times are the frames' own, in nanoseconds since 1970.
func Write(w io.Writer, c *Capture) error {
	if len(c.Plan.Links) == 0 {
		return ErrNoLinks
	}
	out, err := begin(w, c)
	if err != nil {
		return fmt.Errorf("write pcapng header: %w", err)
	}
	for i := range c.Frames {
		f := &c.Frames[i]
		if f.Link < 0 || f.Link >= len(c.Plan.Links) || f.Side < 0 || f.Side > 1 {
			return fmt.Errorf("write frame %d: no end %d of link %d", i, f.Side, f.Link)
		}
		flags := pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionInbound}
		if f.Sent {
			flags.Direction = pcapgo.NgEpbFlagDirectionOutbound
		}
		info := gopacket.CaptureInfo{Timestamp: f.Time, CaptureLength: len(f.Data), Length: f.Length, InterfaceIndex: 2*f.Link + int(f.Side)}
		if err := out.WritePacketWithOptions(info, f.Data, pcapgo.NgPacketOptions{Flags: &flags}); err != nil {
			return fmt.Errorf("write frame %d: %w", i, err)
		}
	}
	return out.Flush()
}

// begin writes the section's header and the interfaces.
func begin(w io.Writer, c *Capture) (*pcapgo.NgWriter, error) {
	list := interfaces(c)
	out, err := pcapgo.NewNgWriterInterface(w, list[0], pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{
		Application: application, OS: system(c.Kernel), Comment: comment(c),
	}})
	if err != nil {
		return nil, err
	}
	for _, i := range list[1:] {
		if _, err := out.AddInterface(i); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// interfaces are the ends of the links.
func interfaces(c *Capture) (list []pcapgo.NgInterface) {
	names := map[string]bool{}
	for link := range c.Plan.Links {
		ends := ends(c.Plan, link)
		for _, e := range ends {
			name := fmt.Sprintf("%s–%s @%s", ends[0].node, ends[1].node, e.node)
			if names[name] {
				name += " " + e.iface.Name
			}
			names[name] = true
			list = append(list, pcapgo.NgInterface{
				Name: name, Description: e.describe(), LinkType: layers.LinkTypeEthernet, SnapLength: uint32(c.SnapLen),
			})
		}
	}
	return list
}

// end is a node's interface to a link.
type end struct {
	node  string
	iface *topo.Interface
}

// ends are those of a link, by side.
func ends(p *topo.Plan, link int) (list [2]end) {
	for side := range list {
		for i := range p.Nodes {
			for j := range p.Nodes[i].Interfaces {
				if f := &p.Nodes[i].Interfaces[j]; f.Link == link && f.Side == netem.Side(side) {
					list[side] = end{p.Nodes[i].Name, f}
				}
			}
		}
	}
	return list
}

// describe is an end in words: "eth0 of client, 198.18.0.1/30".
func (e end) describe() string {
	parts := []string{e.iface.Name + " of " + e.node}
	for _, a := range e.iface.Addresses {
		parts = append(parts, a.String())
	}
	return strings.Join(parts, ", ")
}

// system is the name of the operating system.
func system(kernel string) string { return strings.TrimSpace("Linux " + kernel) }

// comment is what the section says of itself.
func comment(c *Capture) string {
	var b strings.Builder
	if c.Scenario != "" {
		fmt.Fprintf(&b, "Scenario %s. ", c.Scenario)
	}
	b.WriteString("Each frame at both ends of each link it crosses: outbound where a node sends it, inbound where it is delivered to one. One end alone: filter by frame.interface_name.")
	if c.Forgotten > 0 {
		fmt.Fprintf(&b, " Incomplete: the first %d frames are missing, only the latest were kept.", c.Forgotten)
	}
	if c.Lost > 0 {
		fmt.Fprintf(&b, " Incomplete: %d frames passed too fast to be recorded.", c.Lost)
	}
	return b.String()
}
