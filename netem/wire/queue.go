package wire

// transit is a frame on its way.
type transit struct {
	// frame begins with its virtio_net_hdr.
	frame []byte
	// due is when it comes out, on the engine's clock; order breaks ties.
	due, order int64
	// copies of it still have to come out, 1 or 2.
	copies int
	// slot is the receive slot whose buffer the frame is in, or -1 if it has a
	// buffer of its own.
	slot int
}

// queue is a first-in first-out ring that grows.
type queue struct {
	ring    []transit // length a power of two
	head, n int
}

func (q *queue) push(t transit) {
	if q.n == len(q.ring) {
		q.grow()
	}
	q.n++
	*q.at(q.n - 1) = t
}

// at is the i-th entry from the front, which stays valid until the next push.
func (q *queue) at(i int) *transit { return &q.ring[(q.head+i)&(len(q.ring)-1)] }

func (q *queue) pop() transit {
	t := *q.at(0)
	*q.at(0) = transit{}
	q.head = (q.head + 1) & (len(q.ring) - 1)
	q.n--
	return t
}

func (q *queue) grow() {
	ring := make([]transit, max(8, 2*len(q.ring)))
	for i := range q.n {
		ring[i] = *q.at(i)
	}
	q.ring, q.head = ring, 0
}
