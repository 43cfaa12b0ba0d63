package tls

import "crypto/tls"

// maxSessions is how many servers' sessions are remembered.
const maxSessions = 64

// Sessions are those that a client's servers have given it tickets for (RFC 8446,
// section 4.6.1; RFC 5077). They are safe for concurrent use.
type Sessions struct{ cache tls.ClientSessionCache }

// NewSessions remembers none yet.
func NewSessions() *Sessions { return &Sessions{tls.NewLRUClientSessionCache(maxSessions)} }

// unoffered remembers sessions and offers none.
type unoffered struct{ *Sessions }

func (unoffered) Get(string) (*tls.ClientSessionState, bool)     { return nil, false }
func (u unoffered) Put(server string, s *tls.ClientSessionState) { u.cache.Put(server, s) }

// Use has a client remember the sessions that it is given, and offer the one that it
// has of the same server, by its name, if offer is true.
func (s *Sessions) Use(config *tls.Config, offer bool) {
	config.ClientSessionCache = unoffered{s}
	if offer {
		config.ClientSessionCache = s.cache
	}
}

// Speak restricts a client to one version, "1.2" or "1.3"; "" allows both.
func Speak(config *tls.Config, version string) {
	v := versions[version]
	config.MinVersion, config.MaxVersion = v[0], v[1]
}

// Version is a version's name as in a listener's key, such as "1.3".
func Version(v uint16) string {
	for name, limits := range versions {
		if name != "" && limits == [2]uint16{v, v} {
			return name
		}
	}
	return tls.VersionName(v)
}
