package journey_test

import (
	"testing"

	"testbed/topo"
)

// BenchmarkTrace follows ten thousand handshakes, of which every other one loses
// its last ACK in the router.
func BenchmarkTrace(b *testing.B) {
	const n = 10_000
	r := newRecord(b, chain(drop("acks", web)))
	for i := range n {
		k := &talk{record: r, c: uint32(i), s: uint32(i) << 8, id: uint16(i)}
		if i%2 == 0 {
			k.handshake()
			continue
		}
		k.there(k.client(topo.SYN, 0))
		k.back(k.server(topo.SYN|topo.ACK, 0))
		k.path(k.client(topo.ACK, 0), "client", "fw")
	}
	r.count("fw", "acks", n/2)
	for b.Loop() {
		if js := r.trace(); len(js) != 3*n {
			b.Fatalf("%d journeys, want %d", len(js), 3*n)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(r.input.Frames)), "ns/frame")
}
