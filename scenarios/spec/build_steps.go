package spec

import (
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func (b *builder) steps(raw *rawScenario) {
	if len(raw.Steps.list) > maxSteps {
		b.add(raw.Steps.list[maxSteps].mark, bad("more than %d steps", maxSteps).want("a shorter scenario"))
		return
	}
	if len(raw.Steps.list) == 0 && raw.Steps.line != 0 && !b.lost["steps"] {
		b.add(raw.Steps.mark, bad("a scenario needs at least one step").want("steps: [{connect: server:80, from: client}]"))
	}
	for _, r := range raw.Steps.list {
		b.sc.Steps = append(b.sc.Steps, b.step(r))
	}
}

// step is one step, as those before it left the network and its connections.
func (b *builder) step(r *rawStep) Step {
	s := Step{Line: r.line}
	switch {
	case r.connect != nil:
		s.Connect = b.connect(r.connect)
		b.observing(&s, "connect", r.connect.Repeat, r.connect.Expect)
		if r.connect.As != nil && s.Repeat > 1 {
			b.add(r.connect.Repeat.mark, bad("repeat: as keeps one connection open").want("no as, or no repeat"))
		}
	case r.http != nil:
		s.HTTP = b.http(r.http)
		b.observing(&s, "http", r.http.Repeat, r.http.Expect)
	case r.exec != nil:
		s.Exec = b.exec(r.exec)
		b.observing(&s, "exec", r.exec.Repeat, r.exec.Expect)
		if s.Exec.Background && s.Repeat > 1 {
			b.add(r.exec.Repeat.mark, bad("repeat: in the background, a program is started once").want("no background, or no repeat"))
		}
		b.absolute(r.exec.Expect)
	case r.exchange != nil:
		s.Exchange = b.exchange(r.exchange)
		b.observing(&s, "exchange", r.exchange.Repeat, r.exchange.Expect)
	case r.transfer != nil:
		s.Transfer, s.Expect = b.transfer(r.transfer), b.expect(r.transfer.Expect)
	case r.await != nil:
		s.Await = b.await(r.await)
		b.observing(&s, "await", nil, r.await.Expect)
	case r.close != nil:
		s.Close = b.closing(r.close)
		b.observing(&s, "close", nil, r.close.Expect)
	case r.scan != nil:
		s.Scan, s.Expect = b.scan(r.scan), b.expect(r.scan.Expect)
		b.scanned(s.Scan, r.scan.Expect)
	case r.flood != nil:
		s.Flood, s.Expect = b.flood(r.flood), b.expect(r.flood.Expect)
	case r.wait != nil:
		s.Wait = &Wait{}
		if r.wait.Wait != nil {
			s.Wait.Duration = r.wait.Wait.V
		}
	case r.change != nil:
		s.Set = b.set(r.change.Set)
	case r.parallel != nil:
		s.Parallel = b.parallel(r.parallel)
	}
	return s
}

// observing are the repetitions and the expectations of a step.
func (b *builder) observing(s *Step, kind string, repeat *repetitions, r *rawExpect) {
	if repeat != nil {
		s.Repeat = repeat.V
	}
	s.Expect = b.expect(r)
	b.whole(s.Expect, r, kind, s.Repeat)
}

func (b *builder) connect(r *rawConnect) *Connect {
	c := &Connect{From: b.from(r.From), Family: IPv4}
	if r.Connect != nil {
		c.Target = b.target(c.From, r.Connect)
		c.Family = b.family((*family)(r.Family), c.Target.Host)
	}
	c.Eyeballs = b.eyeballs(&r.rawEyeballs, c.Family)
	if r.Timeout != nil {
		c.Timeout = r.Timeout.V
	}
	if r.As != nil {
		c.As = r.As.V
		if line, dup := b.open[c.As]; dup {
			b.add(r.As.mark, bad("as: a connection named %q is open since line %d", c.As, line).want("another name, or close: "+c.As+" before"))
		} else {
			b.open[c.As] = r.line
		}
	}
	b.socket(c, r)
	return c
}

func (b *builder) from(r *ref) string {
	if r == nil {
		return ""
	}
	b.known("from", r)
	return r.V
}

// family is the one that is asked for, or else that of a written address, or
// else IPv4.
func (b *builder) family(r *family, host string) Family {
	a, err := netip.ParseAddr(host)
	switch {
	case err != nil && r == nil:
		return IPv4
	case err != nil:
		return r.V
	}
	f := IPv4
	if a.Is6() {
		f = IPv6
	}
	if r != nil && (r.V == AnyFamily || r.V == HappyEyeballs) {
		b.add(r.mark, bad("family: %s is one address, and leaves no choice", a).want("family: "+string(f)+", or none"))
	} else if r != nil && r.V != f {
		b.add(r.mark, bad("family: %s is no address of %s", a, r.V).want("family: "+string(f)+", or none"))
	}
	return f
}

// target splits a connection's target into host and port.
func (b *builder) target(from string, w *word) Target { return b.targetOf("connect", from, w) }

// targetOf is target for the value of a key.
func (b *builder) targetOf(key, from string, w *word) Target {
	const valid = "node:port, address:port or [IPv6 address]:port, such as server:80"
	host, digits, ok := cutPort(w.V)
	switch {
	case strings.Contains(w.V, "://"):
		b.add(w.mark, bad(key+": %s is a URL", quote(w.V)).want(valid+"; http: takes URLs"))
		return Target{}
	case !ok:
		c := bad(key+": %s has no port", quote(w.V)).want(valid)
		if a, err := netip.ParseAddr(w.V); err == nil && a.Is6() {
			c.near("[" + w.V + "]:80")
		} else if slices.Contains(b.names, w.V) {
			c.near(w.V + ":80")
		}
		b.add(w.mark, c)
		return Target{}
	}
	if a, err := netip.ParseAddr(host); strings.HasPrefix(w.V, "[") && (err != nil || !a.Is6()) {
		b.add(w.mark, bad(key+": %s in brackets is no IPv6 address", quote(host)).want(valid))
		return Target{}
	}
	n, ok := whole(digits)
	if !ok || n < 1 || n > 65535 {
		b.add(w.mark, bad(key+": %s is no port", quote(digits)).want("1 to 65535"))
	}
	return Target{Host: b.host(key, w.mark, from, host), Port: uint16(n)}
}

// cutPort splits host:port; the host of an IPv6 address loses its brackets.
func cutPort(s string) (host, port string, ok bool) {
	if rest, bracket := strings.CutPrefix(s, "["); bracket {
		host, port, ok = strings.Cut(rest, "]:")
		return host, port, ok
	}
	host, port, ok = strings.Cut(s, ":")
	return host, port, ok && !strings.Contains(port, ":")
}

// host checks that a target's host is a node, an address, or a name that can be
// asked for.
func (b *builder) host(key string, at mark, from, host string) string {
	if looksNumeric(host) {
		a, err := netip.ParseAddr(host)
		if err != nil || a.Zone() != "" || a.Is4In6() {
			b.add(at, bad("%s: %s is no address", key, quote(host)).want("a node's name or an address"))
			return host
		}
		return a.String()
	}
	if isDomainName(host) && (key == "connect" || key == "http") {
		b.resolvable(key, at, from, host)
		return strings.ToLower(host)
	}
	if !slices.Contains(b.names, host) && len(b.names) > 0 {
		c := b.noNode(key, host)
		b.add(at, c.want("an address, or one of "+several("the nodes", b.names)))
	}
	return host
}

func (b *builder) http(r *rawHTTP) *HTTP {
	h := &HTTP{From: b.from(r.From), Family: IPv4}
	if r.Timeout != nil {
		h.Timeout = r.Timeout.V
	}
	if r.HTTP != nil {
		b.url(h, r.HTTP)
		h.Family = b.family((*family)(r.Family), h.Target.Host)
	}
	h.Eyeballs = b.eyeballs(&r.rawEyeballs, h.Family)
	b.secure(h, r)
	return h
}

func (b *builder) url(h *HTTP, w *word) {
	const valid = "http://host/path or https://host/path with a node or an address as the host"
	u, err := url.Parse(w.V)
	if err != nil || u.Host == "" || u.Hostname() == "" || (u.Scheme != "http" && u.Scheme != "https") {
		b.add(w.mark, bad("http: %s is no URL of http or https", quote(w.V)).want(valid))
		return
	}
	if u.User != nil || u.Fragment != "" {
		b.add(w.mark, bad("http: %s has a user or a fragment", quote(w.V)).want(valid))
	}
	h.URL, h.TLS, h.Path = w.V, u.Scheme == "https", u.RequestURI()
	h.Target.Port = 80
	if h.TLS {
		h.Target.Port = 443
	}
	if u.Port() != "" {
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		if err != nil || n == 0 {
			b.add(w.mark, bad("http: %s is no port", quote(u.Port())).want("1 to 65535"))
		}
		h.Target.Port = uint16(n)
	}
	h.Target.Host = b.host("http", w.mark, h.From, u.Hostname())
}

func (b *builder) exec(r *rawExec) *Exec {
	e := &Exec{From: b.from(r.From)}
	if r.Timeout != nil {
		e.Timeout = r.Timeout.V
	}
	if c := r.Exec; c != nil && c.line != "" {
		e.Args, e.Text = []string{"sh", "-c", c.line}, strings.TrimSpace(c.line)
	} else if c != nil {
		for _, a := range c.args {
			e.Args = append(e.Args, a.V)
		}
		e.Text = shellText(e.Args)
	}
	for _, v := range r.Env.list {
		if v.key == "" || strings.ContainsAny(v.key, "=\x00") {
			b.add(v.at, bad("env: %s is no name of a variable", quote(v.key)).want("a name of one character or more, without = and NUL"))
		}
		if v.value != nil {
			e.Env = append(e.Env, v.key+"="+v.value.V)
		}
	}
	slices.Sort(e.Env)
	b.background(e, r)
	return e
}

// shellText joins arguments as a person would type them.
func shellText(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		plain := func(r rune) bool { return !isAlphanumeric(r) && !strings.ContainsRune("-_./:=,+@%", r) }
		if a == "" || strings.IndexFunc(a, plain) >= 0 {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

func (b *builder) exchange(r *rawExchange) *Exchange {
	x := &Exchange{Connection: b.opened("exchange", r.Exchange)}
	b.spoken(x, r)
	if r.Timeout != nil {
		x.Timeout = r.Timeout.V
	}
	return x
}

func (b *builder) closing(r *rawClose) *Close {
	c := &Close{Connection: b.opened("close", r.Close), Reset: r.With != nil && r.With.V == "reset"}
	b.watched(c, r)
	if b.halved(c, r) {
		return c
	}
	if line, ok := b.open[c.Connection]; ok {
		delete(b.open, c.Connection)
		b.closed[c.Connection] = line
	}
	return c
}

// opened checks that a connection is open where a step uses it.
func (b *builder) opened(key string, r *title) string {
	if r == nil {
		return ""
	}
	if _, ok := b.open[r.V]; ok {
		return r.V
	}
	if b.lost["steps"] || b.lost["parallel"] {
		return r.V
	}
	names := sortedKeys(b.open)
	valid := "the connections that are open here: " + strings.Join(names, ", ")
	if len(names) == 0 {
		valid = "the name of a connection that an earlier connect step keeps open with as: " + r.V
	}
	c := bad("%s: no connection named %q is open", key, r.V)
	if _, ok := b.closed[r.V]; ok {
		c = bad("%s: the connection %q was closed before", key, r.V)
	}
	b.add(r.mark, c.want(valid).near(nearest(r.V, names)))
	return r.V
}
