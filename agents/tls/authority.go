// Package tls makes the testbed's certificate authority and its certificates in
// memory, and serves and performs TLS handshakes with them.
package tls

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"time"
)

// validFor is how long certificates hold, from a day ago.
const validFor = 30 * 24 * time.Hour

// Authority issues certificates that its own clients trust. It is safe for
// concurrent use.
type Authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
	pool *x509.CertPool
}

// NewAuthority makes one, with a key that exists nowhere else.
func NewAuthority() (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make authority's key: %w", err)
	}
	template := certificate("testbed authority")
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign authority: %w", err)
	}
	a := &Authority{key: key, pool: x509.NewCertPool()}
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return nil, fmt.Errorf("parse authority: %w", err)
	}
	a.pool.AddCert(a.cert)
	return a, nil
}

// PEM is the authority's own certificate, as programs read those that they trust.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Issue makes a server's certificate for its names, of which there is at least
// one, and its addresses. The first name is the certificate's subject.
func (a *Authority) Issue(names []string, addresses []netip.Addr) (*tls.Certificate, error) {
	name := names[0]
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make key of %s: %w", name, err)
	}
	template := certificate(name)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	template.DNSNames = names
	for _, ip := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.IP(ip.AsSlice()))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of %s: %w", name, err)
	}
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

func certificate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, big.NewInt(1<<62))
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: name, Organization: []string{"testbed"}},
		NotBefore:    time.Now().Add(-24 * time.Hour),
		NotAfter:     time.Now().Add(validFor),
	}
}

// versions maps a listener's TLS key to the least and greatest protocol version.
var versions = map[string][2]uint16{
	"":    {tls.VersionTLS12, tls.VersionTLS13},
	"1.2": {tls.VersionTLS12, tls.VersionTLS12},
	"1.3": {tls.VersionTLS13, tls.VersionTLS13},
}

// ServerConfig serves a certificate in one version ("1.2", "1.3"), or in both
// for "". With tickets clients can resume their sessions; without them every
// handshake is a full one.
func ServerConfig(c *tls.Certificate, version string, tickets bool) (*tls.Config, error) {
	v, ok := versions[version]
	if !ok {
		return nil, fmt.Errorf("no TLS version %q", version)
	}
	return &tls.Config{
		Certificates: []tls.Certificate{*c}, MinVersion: v[0], MaxVersion: v[1],
		SessionTicketsDisabled: !tickets,
	}, nil
}

// ClientConfig trusts the authority alone, for a server of that name or address.
// It offers one key share, of X25519, so that the first flight is one segment; a
// post-quantum share would need two.
func (a *Authority) ClientConfig(server string) *tls.Config {
	return &tls.Config{RootCAs: a.pool, ServerName: server, MinVersion: tls.VersionTLS12, CurvePreferences: []tls.CurveID{tls.X25519}}
}
