package wire

// transit is a frame on its way.
type transit struct {
	// frame begins with its virtio_net_hdr.
	frame []byte
	// due is when it comes out, on the engine's clock; order breaks ties.
	due, order int64
	// slot is the receive slot whose buffer the frame is in, or -1 if it has a
	// buffer of its own.
	slot int
}

// before tells which of two frames comes out first.
func (t *transit) before(u *transit) bool {
	return t.due < u.due || t.due == u.due && t.order < u.order
}

// queue is frames that come out in the order in which they came in.
type queue struct {
	ring[transit]
	// last is the due time of the frame that came in last.
	last int64
	// fresh is how many of the frames came in since the last vacate.
	fresh int
}

// enter puts a frame behind the others: it is never due before them.
func (q *queue) enter(t transit, due int64) {
	q.last = max(q.last, due)
	t.due = q.last
	q.push(t)
	q.fresh++
}

// ring is a first-in first-out ring that grows.
type ring[T any] struct {
	entries []T // length a power of two
	head, n int
}

func (r *ring[T]) push(t T) {
	if r.n == len(r.entries) {
		r.grow()
	}
	r.n++
	*r.at(r.n - 1) = t
}

// at is the i-th entry from the front, which stays valid until the next push.
func (r *ring[T]) at(i int) *T { return &r.entries[(r.head+i)&(len(r.entries)-1)] }

func (r *ring[T]) pop() T {
	var zero T
	t := *r.at(0)
	*r.at(0) = zero
	r.head = (r.head + 1) & (len(r.entries) - 1)
	r.n--
	return t
}

func (r *ring[T]) grow() {
	entries := make([]T, max(8, 2*len(r.entries)))
	for i := range r.n {
		entries[i] = *r.at(i)
	}
	r.entries, r.head = entries, 0
}
