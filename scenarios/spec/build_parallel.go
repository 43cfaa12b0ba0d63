package spec

// maxParallel bounds how many steps run at the same time.
const maxParallel = 100

// parallel are steps that run at the same time: none can use what another one
// opens or uses.
func (b *builder) parallel(r *rawParallel) *Parallel {
	list := r.Parallel.list
	if len(list) > maxParallel {
		b.add(list[maxParallel].mark, bad("more than %d steps in parallel", maxParallel).want("fewer"))
		return &Parallel{}
	}
	if len(list) == 0 && !r.partial {
		b.add(r.Parallel.mark, bad("parallel: no steps").want("parallel: [{connect: server:80, from: client}, {connect: server:81, from: client}]"))
	}
	var steps []Step
	taken := map[string]int{}
	for _, x := range list {
		b.alone(x)
		b.apart(x, taken)
		s := b.step(x)
		steps = append(steps, s)
	}
	return &Parallel{Steps: steps}
}

// alone notes a step that must not run beside others.
func (b *builder) alone(x *rawStep) {
	switch {
	case x.parallel != nil:
		b.add(x.mark, bad("parallel within parallel").want("its steps in the outer list"))
	case x.change != nil:
		b.add(x.mark, bad("a set step in parallel: which of the others would see the change is not determined").want("set before or after the parallel step"))
	}
}

// apart notes a step that opens or uses a connection which another one opens or uses
// at the same time.
func (b *builder) apart(x *rawStep, taken map[string]int) {
	r := x.connection()
	if r == nil {
		return
	}
	if line, ok := taken[r.V]; ok {
		b.add(r.mark, bad("the connection %q is used at the same time on line %d", r.V, line).want("one step for each connection, the others before or after the parallel step"))
	}
	taken[r.V] = x.line
}

// connection is the name of the kept connection that a step opens or uses, nil for
// none.
func (s *rawStep) connection() *title {
	switch {
	case s.connect != nil:
		return s.connect.As
	case s.exchange != nil:
		return s.exchange.Exchange
	case s.transfer != nil:
		return s.transfer.Transfer
	case s.await != nil:
		return s.await.Await
	case s.close != nil:
		return s.close.Close
	}
	return nil
}
