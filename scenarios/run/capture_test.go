package run

import (
	"testing"

	"testbed/topo/netns"
)

// The capture is opened beside the building. A network that fails meanwhile must
// not take the ether away from under it.
func TestTheEtherIsKeptUntilTheCaptureIsOpen(t *testing.T) {
	ether, err := netns.New()
	if err != nil {
		t.Fatal(err)
	}
	defer ether.Close()
	var o opening
	if err := o.begin(ether)(); err != nil {
		t.Error(err)
	}
	select {
	case <-o.done:
	default:
		t.Error("the ether could be closed while the capture is being opened in it")
		<-o.done
	}
	if o.err != nil {
		t.Fatal(o.err)
	}
	o.capture.Close()
}
