package pcapng

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"testbed/netem"
	"testbed/observe"
	"testbed/topo"
)

// sample is a capture with odd lengths, of a network with two links between the
// same two nodes.
func sample(t *testing.T) *Capture {
	t.Helper()
	plan, err := topo.MakePlan(&topo.Topology{
		Nodes: []topo.Node{{Name: "client", Role: topo.Host}, {Name: "fw", Role: topo.Router}, {Name: "server", Role: topo.Host}},
		Links: []topo.Link{{Ends: [2]string{"client", "fw"}}, {Ends: [2]string{"server", "fw"}}, {Ends: [2]string{"client", "fw"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c := &Capture{Scenario: "sample", Kernel: "6.12.1", Plan: plan, SnapLen: 96}
	at := time.Date(2026, 1, 1, 0, 0, 0, 999_999_999, time.UTC)
	for i, length := range []int{60, 61, 62, 63, 1514, 14} {
		c.Frames = append(c.Frames, observe.Frame{
			Time: at.Add(time.Duration(i) * 1_000_001), Link: i / 2, Side: netem.Side(i % 2), Sent: i%3 == 0,
			Data: bytes.Repeat([]byte{byte(i + 1)}, min(length, 96)), Length: length,
		})
	}
	return c
}

func encode(t *testing.T, c *Capture) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Write(&b, c); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func open(t *testing.T, b []byte) *pcapgo.NgReader {
	t.Helper()
	r, err := pcapgo.NewNgReader(bytes.NewReader(b), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestFramesReadBackAsTheyWere(t *testing.T) {
	c := sample(t)
	r := open(t, encode(t, c))
	for i, want := range c.Frames {
		data, info, o, err := r.ReadPacketDataWithOptions()
		if err != nil {
			t.Fatalf("frame %d: %v", i, err)
		}
		if !bytes.Equal(data, want.Data) || info.Length != want.Length || !info.Timestamp.Equal(want.Time) {
			t.Errorf("frame %d: %d of %d bytes at %v, want %d of %d at %v", i, len(data), info.Length, info.Timestamp, len(want.Data), want.Length, want.Time)
		}
		if info.InterfaceIndex != 2*want.Link+int(want.Side) {
			t.Errorf("frame %d: interface %d, want that of link %d side %d", i, info.InterfaceIndex, want.Link, want.Side)
		}
		direction := pcapgo.NgEpbFlagDirectionInbound
		if want.Sent {
			direction = pcapgo.NgEpbFlagDirectionOutbound
		}
		if o.Flags == nil || o.Flags.Direction != direction {
			t.Errorf("frame %d: flags %+v, want direction %d", i, o.Flags, direction)
		}
	}
	if _, _, err := r.ReadPacketData(); !errors.Is(err, io.EOF) {
		t.Errorf("after the last frame: %v, want EOF", err)
	}
}

func TestInterfacesAreTheEndsOfTheLinks(t *testing.T) {
	c := sample(t)
	r := open(t, encode(t, c))
	for {
		if _, _, err := r.ReadPacketData(); err != nil {
			break
		}
	}
	var names []string
	for i := range r.NInterfaces() {
		f, err := r.Interface(i)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, f.Name)
		if f.LinkType != layers.LinkTypeEthernet || f.TimestampResolution != 9 || f.SnapLength != 96 {
			t.Errorf("interface %s: %+v", f.Name, f)
		}
		if i == 0 && (!strings.HasPrefix(f.Description, "eth0 of client, ") || !strings.Contains(f.Description, c.Plan.Nodes[0].Interfaces[0].Addresses[0].String())) {
			t.Errorf("interface %s is described as %q", f.Name, f.Description)
		}
	}
	want := []string{"client–fw @client", "client–fw @fw", "server–fw @server", "server–fw @fw", "client–fw @client eth1", "client–fw @fw eth2"}
	if !slices.Equal(names, want) {
		t.Errorf("interfaces %q, want %q", names, want)
	}
}

func TestTheSectionSaysWhatTheFileIs(t *testing.T) {
	complete := sample(t)
	info := open(t, encode(t, complete)).SectionInfo()
	if info.Application != "testbed" || info.OS != "Linux 6.12.1" || info.Hardware != "" || !strings.HasPrefix(info.Comment, "Scenario sample. ") {
		t.Errorf("section %+v", info)
	}
	if strings.Contains(info.Comment, "Incomplete") {
		t.Errorf("a complete capture says %q", info.Comment)
	}
	cut := sample(t)
	cut.Forgotten, cut.Lost = 50_001, 7
	info = open(t, encode(t, cut)).SectionInfo()
	for _, want := range []string{"the first 50001 frames are missing", "7 frames passed too fast"} {
		if !strings.Contains(info.Comment, want) {
			t.Errorf("comment %q does not say %q", info.Comment, want)
		}
	}
}

func TestTheSameFramesGiveTheSameBytes(t *testing.T) {
	if !bytes.Equal(encode(t, sample(t)), encode(t, sample(t))) {
		t.Error("two files of one capture differ")
	}
}

func TestWhatCannotBeWrittenIsRefused(t *testing.T) {
	none := sample(t)
	none.Plan = &topo.Plan{}
	if err := Write(io.Discard, none); !errors.Is(err, ErrNoLinks) {
		t.Errorf("a network without links: %v, want ErrNoLinks", err)
	}
	for name, f := range map[string]observe.Frame{
		"of no link":  {Link: 3, Time: time.Unix(1, 0)},
		"of side -1":  {Side: -1, Time: time.Unix(1, 0)},
		"of side 2":   {Side: 2, Time: time.Unix(1, 0)},
		"of link -1":  {Link: -1, Time: time.Unix(1, 0)},
		"over itself": {Data: []byte{1, 2}, Length: 1, Time: time.Unix(1, 0)},
	} {
		c := sample(t)
		c.Frames = []observe.Frame{f}
		if err := Write(io.Discard, c); err == nil {
			t.Errorf("a frame %s is written", name)
		}
	}
}
