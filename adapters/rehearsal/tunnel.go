package rehearsal

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// caFile is what plugins are told to trust, in a folder of the stage's
// directory that holds nothing else: a caged plugin gets to see it.
const (
	caDir  = "trust"
	caFile = "ca.pem"
)

// authority signs a certificate for every host that a plugin asks for. Only
// plugins of this stage trust it, and its key never leaves this process.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey

	mu    sync.Mutex
	hosts map[string]*tls.Certificate
}

func newAuthority(dir string) (*authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := certificate("Carillon rehearsal")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.Mkdir(filepath.Join(dir, caDir), 0o755); err != nil { //nolint:gosec // a certificate is public
		return nil, err
	}
	return &authority{cert: cert, key: key, hosts: map[string]*tls.Certificate{}}, os.WriteFile(filepath.Join(dir, caDir, caFile), text, 0o644) //nolint:gosec // as above
}

func certificate(name string) *x509.Certificate {
	serial, _ := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)) // never fails, see crypto/rand
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

func (a *authority) of(host string) (*tls.Certificate, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.hosts[host]; c != nil {
		return c, nil
	}
	template := certificate(host)
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = []net.IP{ip}
	} else {
		template.DNSNames = []string{host}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	a.hosts[host] = c
	return c, nil
}

// tunnel answers CONNECT and reads what is inside.
func (p *Proxy) tunnel(w http.ResponseWriter, r *http.Request) {
	host := r.URL.Host
	if host == "" {
		host = r.Host
	}
	if !p.permits(host) {
		e, _ := p.begin(r, false, p.whose(r))
		p.note(func() { e.Refused, e.Path = true, "" })
		defer p.finish(e)
		p.answer(w, e, &Answer{Status: http.StatusForbidden, Header: map[string]string{"Proxy-Status": "carillon; error=http_request_denied"}})
		return
	}
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "443"
	}
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if _, err := conn.Write([]byte("HTTP/1.1 200 Connection Established\r\n\r\n")); err != nil {
		_ = conn.Close()
		return
	}
	if port == "443" {
		host = name
	}
	p.serveInside(conn, name, host, p.whose(r))
}

// serveInside speaks TLS and then HTTP on a tunnel's connection until it ends.
func (p *Proxy) serveInside(conn net.Conn, name, host string, of *ticket) {
	secure := tls.Server(conn, &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"},
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return p.ca.of(name) },
	})
	done := make(chan struct{})
	s := &http.Server{
		ReadHeaderTimeout: time.Minute,
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			r.Host = host
			p.exchange(w, r, false, of)
		}),
		ConnState: func(_ net.Conn, st http.ConnState) {
			if st == http.StateClosed || st == http.StateHijacked {
				close(done)
			}
		},
	}
	go func() {
		select {
		case <-p.ended:
			_ = s.Close()
		case <-done:
		}
	}()
	_ = s.Serve(&single{conn: secure, done: done})
}

// single is a listener of one connection.
type single struct {
	conn net.Conn
	once sync.Once
	done chan struct{}
}

func (l *single) Accept() (net.Conn, error) {
	var first net.Conn
	l.once.Do(func() { first = l.conn })
	if first != nil {
		return first, nil
	}
	<-l.done
	return nil, net.ErrClosed
}

func (l *single) Close() error   { return nil }
func (l *single) Addr() net.Addr { return l.conn.LocalAddr() }
