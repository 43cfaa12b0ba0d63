package spec

import "testbed/topo"

// rawTLS is what an http step says of TLS.
type rawTLS struct {
	Version *tlsVersion `json:"tls" doc:"the only TLS version that the client speaks; default both"`
	Resume  *truth      `json:"resume" doc:"true offers the session of an earlier https step of the node to that server; default false"`
}

// secure is what an http step says of TLS.
func (b *builder) secure(h *HTTP, r *rawHTTP) {
	if r.Version != nil {
		h.TLSVersion = r.Version.V
		b.needsTLS(h, "tls", r.Version.mark)
	}
	if r.Resume != nil {
		h.Resume = r.Resume.V
		b.needsTLS(h, "resume", r.Resume.mark)
	}
}

func (b *builder) needsTLS(h *HTTP, key string, at mark) {
	if h.URL != "" && !h.TLS {
		b.add(at, bad("%s is not for http://", key).want(key+" with an https:// URL"))
	}
}

// tickets is whether a listener lets its clients resume sessions.
func (b *builder) tickets(l *topo.Listener, r *rawListener) {
	if r.Tickets == nil {
		return
	}
	l.Tickets = r.Tickets.V
	if l.Serve != topo.ServeHTTPS && l.Serve != topo.ServeTLS {
		b.add(r.Tickets.mark, bad("tickets are not for serve: %s", l.Serve).want("tickets with serve: https or serve: tls"))
	}
}
