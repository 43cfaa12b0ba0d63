package dial

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"testbed/agents"
	"testbed/agents/alarm"
	"testbed/agents/dns"
	"testbed/agents/tcp"
	"testbed/topo"
)

// race is a request under way. One goroutine holds it; lookups and attempts tell
// it of their ends.
type race struct {
	Request
	Result

	looked chan looked
	ended  chan ended
	// looking and trying are how many lookups and attempts have not ended; stop
	// ends them.
	looking, trying int
	stop            context.CancelFunc
	stopTrying      context.CancelFunc
	attempts        context.Context
	// six and four are the addresses that are still to be tried, lastFour tells
	// the family of the last one that was.
	six, four []netip.Addr
	lastFour  bool
	begun     bool
	// waited is true once IPv4 has waited for IPv6 long enough, due once the next
	// attempt may begin beside the others.
	waited, due bool
	// resolution and next go off when these become true, nil where nothing is
	// waited for.
	resolution, next *alarm.Alarm
}

type looked struct {
	answer *dns.Answer
	err    error
}

type ended struct {
	attempt *Attempt
	err     error
}

func (r *race) run(ctx context.Context) error {
	looking, stop := context.WithCancel(ctx)
	r.stop = stop
	r.attempts, r.stopTrying = context.WithCancel(ctx)
	deadline, err := r.deadline()
	if err != nil {
		return err
	}
	defer deadline.Stop()
	defer func() { r.resolution.Stop(); r.next.Stop() }()
	for _, lookup := range r.Lookups {
		r.looking++
		asked := make(chan struct{})
		go func() {
			tell := sync.OnceFunc(func() { close(asked) })
			a, err := lookup(looking, tell)
			tell()
			r.looked <- looked{a, err}
		}()
		<-asked
	}
	if r.OnStart != nil {
		r.OnStart()
	}
	err = r.follow(ctx, deadline)
	r.Elapsed = time.Since(r.Began)
	return r.finish(err)
}

// deadline goes off when the request's time is up; it never does without one.
func (r *race) deadline() (*alarm.Alarm, error) {
	if r.Timeout == 0 {
		return &alarm.Alarm{}, nil
	}
	return alarm.Set(r.Timeout)
}

// follow reacts to what happens until the outcome is known.
func (r *race) follow(ctx context.Context, deadline *alarm.Alarm) error {
	for {
		if err := r.advance(); err != nil {
			return err
		}
		if r.looking == 0 && r.trying == 0 {
			r.lost()
			return nil
		}
		select {
		case l := <-r.looked:
			r.looking--
			if l.err != nil {
				return l.err
			}
			if err := r.resolved(l.answer); err != nil {
				return err
			}
		case e := <-r.ended:
			r.trying--
			if e.err != nil {
				return e.err
			}
			r.Decisive, r.due = e.attempt, true
			if r.Outcome = e.attempt.Outcome; r.Outcome == agents.Connected {
				return nil
			}
		case <-channel(r.resolution):
			r.waited, r.resolution = true, nil
		case <-channel(r.next):
			r.due, r.next = true, nil
		case <-deadline.C:
			r.Deadline, r.Outcome = true, agents.TimedOut
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// channel is an alarm's, and never ready without one.
func channel(a *alarm.Alarm) <-chan struct{} {
	if a == nil {
		return nil
	}
	return a.C
}

// resolved takes addresses in. IPv4's wait for IPv6's from then on (RFC 8305,
// section 3).
func (r *race) resolved(a *dns.Answer) (err error) {
	r.Answers = append(r.Answers, a)
	if a.Type == topo.AAAA {
		r.six = append(r.six, a.Addresses...)
		r.waited = true
		return nil
	}
	r.four = append(r.four, a.Addresses...)
	if r.Race && !r.waited && r.looking > 0 && len(a.Addresses) > 0 {
		r.resolution, err = alarm.Set(r.ResolutionDelay)
	}
	return err
}

// advance begins the attempts that are due.
func (r *race) advance() (err error) {
	switch {
	case r.begun:
	case r.looking > 0 && !(r.Race && (len(r.six) > 0 || r.waited && len(r.four) > 0)):
		return nil
	default:
		r.begun, r.due, r.Resolved = true, true, time.Since(r.Began)
	}
	if r.trying > 0 && !(r.Race && r.due) {
		return nil
	}
	to, ok := r.candidate()
	if !ok {
		return nil
	}
	r.begin(to)
	if r.due = false; r.Race {
		r.next.Stop()
		r.next, err = alarm.Set(r.AttemptDelay)
	}
	return err
}

// candidate is the address to be tried next: IPv6 first; in a race the families
// take turns (RFC 8305, section 4).
func (r *race) candidate() (to netip.Addr, ok bool) {
	from := &r.six
	if len(r.six) == 0 || r.Race && len(r.Attempts) > 0 && !r.lastFour && len(r.four) > 0 {
		from = &r.four
	}
	if len(*from) == 0 {
		return to, false
	}
	to, *from = (*from)[0], (*from)[1:]
	r.lastFour = to.Is4()
	return to, true
}

// begin tries an address beside the others.
func (r *race) begin(to netip.Addr) {
	a := &Attempt{To: netip.AddrPortFrom(to, r.Port), Began: time.Now()}
	r.Attempts = append(r.Attempts, a)
	r.trying++
	go func() {
		socket := r.Socket
		socket.Timeout, socket.OnStart = 0, func(local netip.AddrPort) { a.Local = local }
		t, err := tcp.Connect(r.attempts, r.NS, a.To, socket)
		switch {
		case err == nil:
			a.Began, a.Elapsed, a.Outcome, a.Errno, a.Conn = t.Began, t.Elapsed, t.Outcome, t.Errno, t.Conn
			if t.Local.IsValid() {
				a.Local = t.Local
			}
		case r.attempts.Err() != nil:
			a.Elapsed, a.Outcome, err = time.Since(a.Began), agents.Abandoned, nil
		}
		r.ended <- ended{a, err}
	}()
}

// lost is the outcome without a connection: of the attempt that ended last, or else
// of the lookups.
func (r *race) lost() {
	if r.Decisive != nil {
		return
	}
	r.Outcome = agents.NoSuchName
	for _, a := range r.Answers {
		if a.Failed {
			r.Outcome = agents.ResolutionFailed
		}
	}
}

// finish ends what is still under way and waits for it. An error undoes what was
// reached.
func (r *race) finish(err error) error {
	r.stop()
	r.stopTrying()
	if r.Resolved == 0 {
		r.Resolved = r.Elapsed
	}
	for ; r.trying > 0; r.trying-- {
		e := <-r.ended
		if err == nil {
			err = e.err
		}
		e.attempt.giveUp(r.Deadline)
	}
	if n := len(r.Attempts); n > 0 && (r.Decisive == nil || r.Deadline) {
		r.Decisive = r.Attempts[n-1]
	}
	for ; r.looking > 0; r.looking-- {
		l := <-r.looked
		if err == nil {
			err = l.err
		}
		if l.answer != nil {
			r.Answers = append(r.Answers, l.answer)
		}
	}
	if err != nil && r.Decisive != nil && r.Decisive.Conn != nil {
		r.Decisive.Conn.Close()
	}
	return err
}

// giveUp makes an attempt one that was not waited for.
func (a *Attempt) giveUp(deadline bool) {
	if a.Conn != nil {
		a.Conn.Close()
		a.Conn = nil
	}
	switch {
	case deadline:
		a.Outcome, a.Errno, a.Deadline = agents.TimedOut, 0, true
	case a.Outcome == agents.Connected:
		a.Outcome = agents.Abandoned
	}
}
