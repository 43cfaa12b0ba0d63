package wire

// agenda is a binary heap of the directions that have frames on their way, the
// one whose first frame is due next at the front. A direction's frames come out
// in order, so the heap holds no more entries than there are directions.
type agenda []*direction

func (a agenda) before(i, j int) bool {
	x, y := a[i], a[j]
	return x.due < y.due || x.due == y.due && x.order < y.order
}

func (a agenda) swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

// update puts d where its due time wants it; a direction that has nothing on
// its way leaves.
func (a *agenda) update(d *direction) {
	switch {
	case d.idle() && d.place >= 0:
		a.remove(d)
	case !d.idle() && d.place < 0:
		d.place = len(*a)
		*a = append(*a, d)
		a.fix(d.place)
	case d.place >= 0:
		a.fix(d.place)
	}
}

func (a *agenda) remove(d *direction) {
	i, last := d.place, len(*a)-1
	a.swap(i, last)
	(*a)[last] = nil
	*a = (*a)[:last]
	d.place = -1
	if i < last {
		a.fix(i)
	}
}

// fix moves entry i up or down to its place.
func (a agenda) fix(i int) {
	for i > 0 && a.before(i, (i-1)/2) {
		a.swap(i, (i-1)/2)
		i = (i - 1) / 2
	}
	for {
		child := 2*i + 1
		if child+1 < len(a) && a.before(child+1, child) {
			child++
		}
		if child >= len(a) || !a.before(child, i) {
			return
		}
		a.swap(i, child)
		i = child
	}
}
