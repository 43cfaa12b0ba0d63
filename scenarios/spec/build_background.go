package spec

// background is what an exec step says of a program that goes on.
func (b *builder) background(e *Exec, r *rawExec) {
	e.Background = r.Background != nil && r.Background.V
	if r.Ready != nil {
		e.Ready = r.Ready.V
		if !e.Background {
			b.add(r.Ready.mark, bad("ready: the step waits until the program has ended").want("background: true beside it"))
		}
	}
	if !e.Background {
		return
	}
	if r.Timeout != nil && r.Ready == nil {
		b.add(r.Timeout.mark, bad("timeout: a program in the background is not waited for").want("ready: PORT beside it, or no timeout"))
	}
	b.unended(r.Expect)
}

// unended notes what only a program that has ended can be expected to have done.
func (b *builder) unended(x *rawExpect) {
	if x == nil {
		return
	}
	for _, k := range x.Kernels.list {
		b.unended(k.value)
	}
	for _, s := range statedIn(x) {
		if s.key == "exit" || s.key == "stdout" || s.key == "stderr" {
			b.add(s.at, bad("%s: a program in the background has not ended", s.key).want("elapsed, tolerance, dropped"))
		}
	}
}
