package run

import (
	stdtls "crypto/tls"

	"testbed/agents/tls"
	"testbed/scenarios/spec"
)

// secure is what the client of an https step says in its TLS handshake. It remembers
// the sessions that servers let it resume, whether the step resumes one or not.
func (l *Lab) secure(h spec.HTTP) *stdtls.Config {
	config := l.authority.ClientConfig(h.Target.Host)
	tls.Speak(config, h.TLSVersion)
	l.sessionsOf(h.From).Use(config, h.Resume)
	return config
}

// sessionsOf are the TLS sessions that a node's clients have.
func (l *Lab) sessionsOf(node string) *tls.Sessions {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sessions[node] == nil {
		l.sessions[node] = tls.NewSessions()
	}
	return l.sessions[node]
}
