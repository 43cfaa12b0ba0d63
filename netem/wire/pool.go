package wire

// Buffer sizes: a small frame, an Ethernet frame, a jumbo frame, and the largest
// super-segment (64 KiB and its headers).
var classes = [...]int{256, 2048, 16 << 10, slotLen}

// poolLimit bounds the memory of each class that is kept for the next frame.
const poolLimit = 4 << 20

// pool keeps buffers that are not in use. It belongs to the engine's goroutine.
type pool struct{ free [len(classes)][][]byte }

// class is the index of the smallest buffer that holds n bytes.
func class(n int) int {
	for i, size := range classes {
		if n <= size {
			return i
		}
	}
	return len(classes) - 1
}

// get returns a buffer of length classes[c].
func (p *pool) get(c int) []byte {
	n := len(p.free[c])
	if n == 0 {
		return make([]byte, classes[c])
	}
	b := p.free[c][n-1]
	p.free[c] = p.free[c][:n-1]
	return b
}

// put takes a buffer back, however it was sliced from its front.
func (p *pool) put(b []byte) {
	c := class(cap(b))
	if classes[c] == cap(b) && len(p.free[c]) < poolLimit/classes[c] {
		p.free[c] = append(p.free[c], b[:cap(b)])
	}
}
