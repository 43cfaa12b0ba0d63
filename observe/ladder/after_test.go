package ladder

import "testing"

func TestNumbersGoOnFromEarlierPackets(t *testing.T) {
	w := chain(10*ms, "client", "server")
	w.send(0, 0, 1, S, cli, 0, 0)
	w.send(10*ms, 1, 0, SA, srv, cli+1, 0)
	w.send(20*ms, 0, 1, A, cli+1, srv+1, 0)
	w.send(20*ms, 0, 1, PA, cli+1, srv+1, 500)
	earlier := w.journeys
	w.journeys = nil
	w.send(40*ms, 0, 1, PA, cli+501, srv+1, 12)
	if d := After(earlier, w.journeys, w.nodes, w.ends); len(d.Arrows) != 1 || d.Arrows[0].Numbers != "seq=501 ack=1 len=12" {
		t.Errorf("drawn: %+v, want one arrow that begins at 501", d.Arrows)
	}
	if d := w.diagram(); d.Arrows[0].Numbers != "seq=1 ack=1 len=12" {
		t.Errorf("alone: %q", d.Arrows[0].Numbers)
	}
}
