// Package egress decides where the kernel may connect to when somebody else
// chose the address: a webhook, an instance, an image, anything a plugin calls.
//
// A name is resolved once, every address it has is checked, and the connection
// goes to a checked address and not to the name, so an answer that changes
// between check and use changes nothing. Redirects pass the same door. What
// went wrong inside stays in the log: a caller who could tell a closed port
// from a filtered one could map our network.
//
// Start with New and Client; address.go has the ranges, proxy.go the door for
// plugins, which run in processes of their own.
package egress

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// maxRedirects is how many hops a client follows.
const maxRedirects = 3

// Options open what is closed by default. The zero value is right for a
// server on the internet: https to public addresses on ports 443 and 8443.
type Options struct {
	// AllowPrivate opens ranges that are special, on any port and by plain
	// HTTP too: an instance on the own network, or tests.
	AllowPrivate []netip.Prefix
	// AllowLoopbackPorts opens these ports of this machine, and no others:
	// the practice network in dev.
	AllowLoopbackPorts []uint16
	// AllowHTTP permits plain HTTP, and port 80.
	AllowHTTP bool
	// Ports are open besides 443 and 8443.
	Ports []uint16
	// Roots replaces the system's certificate authorities if set.
	Roots *x509.CertPool
	// Resolver replaces the system's if set.
	Resolver Resolver
}

// Resolver finds the addresses of a name. *net.Resolver is one.
type Resolver interface {
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
}

// Egress is one policy. It is safe for concurrent use.
type Egress struct {
	private  []netip.Prefix
	loopback []uint16
	ports    []uint16
	http     bool
	roots    *x509.CertPool
	resolver Resolver
}

// New returns the policy that o describes.
func New(o Options) *Egress {
	e := &Egress{
		private: o.AllowPrivate, loopback: o.AllowLoopbackPorts, http: o.AllowHTTP || len(o.AllowPrivate) > 0 || len(o.AllowLoopbackPorts) > 0,
		ports: append([]uint16{443, 8443}, o.Ports...), roots: o.Roots, resolver: o.Resolver,
	}
	if o.AllowHTTP {
		e.ports = append(e.ports, 80)
	}
	if e.resolver == nil {
		e.resolver = net.DefaultResolver
	}
	return e
}

// Check says without any network whether raw may be called at all: an absolute
// https URL without credentials, on a permitted port, and no closed address in
// plain sight. It answers Invalid. A name passes; where it leads is checked
// when it is called.
func (e *Egress) Check(raw string) error {
	u, err := url.Parse(raw)
	if err != nil || len(raw) > 2048 {
		return fault.New(fault.Invalid, "egress.bad_url", "This is not a web address.").Because(err)
	}
	return e.checkURL(u)
}

func (e *Egress) checkURL(u *url.URL) error {
	switch {
	case u.Scheme != "https" && (u.Scheme != "http" || !e.http):
		return fault.New(fault.Invalid, "egress.bad_scheme", "Use an address that starts with https://.")
	case u.Hostname() == "" || u.User != nil || u.Opaque != "":
		return fault.New(fault.Invalid, "egress.bad_url", "Use an address with a host and without a user name.")
	}
	port, err := portOf(u)
	if err != nil {
		return refused(err)
	}
	addr, err := netip.ParseAddr(u.Hostname())
	if err != nil { // a name: every port that may be open somewhere
		if !slices.Contains(e.ports, port) && !slices.Contains(e.loopback, port) && len(e.private) == 0 {
			return refused(errors.New("port " + u.Port()))
		}
		return nil
	}
	return e.permit(addr, port)
}

func portOf(u *url.URL) (uint16, error) {
	switch {
	case u.Port() != "":
		n, err := strconv.ParseUint(u.Port(), 10, 16)
		return uint16(n), err
	case u.Scheme == "http":
		return 80, nil
	}
	return 443, nil
}

// permit is the decision: may we connect to addr and port?
func (e *Egress) permit(addr netip.Addr, port uint16) error {
	if addr.Zone() != "" {
		return refused(errors.New("zone"))
	}
	addr = addr.Unmap()
	for _, p := range e.private {
		if p.Contains(addr) {
			return nil
		}
	}
	if addr.IsLoopback() && slices.Contains(e.loopback, port) {
		return nil
	}
	if !public(addr) || !slices.Contains(e.ports, port) {
		return refused(errors.New(netip.AddrPortFrom(addr, port).String()))
	}
	return nil
}

// DialContext connects to address, "host:port", if the policy permits every
// address that host has. It answers Invalid for a closed one and Unavailable
// for one that does not answer.
func (e *Egress) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	if network != "tcp" && network != "tcp4" && network != "tcp6" {
		return nil, refused(errors.New(network))
	}
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	targets, err := e.resolve(ctx, address)
	if err != nil {
		return nil, err
	}
	d := net.Dialer{Timeout: 5 * time.Second, Control: e.control}
	for _, to := range targets {
		var conn net.Conn
		if conn, err = d.DialContext(ctx, "tcp", to.String()); err == nil {
			return conn, nil
		}
	}
	return nil, unreachable(ctx, err)
}

// resolve turns "host:port" into at most four permitted addresses. One closed
// address among several refuses them all: no honest name has such a mix.
func (e *Egress) resolve(ctx context.Context, address string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return nil, refused(err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return nil, refused(err)
	}
	addrs, err := e.lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	targets := make([]netip.AddrPort, 0, len(addrs))
	for _, a := range addrs {
		if err := e.permit(a, uint16(port)); err != nil {
			return nil, err
		}
		targets = append(targets, netip.AddrPortFrom(a.Unmap(), uint16(port)))
	}
	return targets[:min(len(targets), 4)], nil
}

func (e *Egress) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{addr}, nil
	}
	if strings.ContainsAny(host, "%/\\@ \x00") || len(host) > 253 {
		return nil, refused(errors.New("not a name"))
	}
	addrs, err := e.resolver.LookupNetIP(ctx, "ip", host)
	if err == nil && len(addrs) == 0 {
		err = errors.New("no address")
	}
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	return addrs, nil
}

// control sees the address the kernel connects to, after everything else.
func (e *Egress) control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return refused(err)
	}
	return e.permit(to.Addr(), to.Port())
}

// Client returns a client that obeys the policy. Each hop takes at most
// timeout, body included; a body ends with a fault after maxBody bytes, however
// it was compressed. Keep it: each has connections of its own. Errors carry a
// fault, see fault.Of: Invalid for what may not be called, Unavailable for the rest.
func (e *Egress) Client(timeout time.Duration, maxBody int64) *http.Client {
	t := &http.Transport{
		DialContext:            e.DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: e.roots},
		TLSHandshakeTimeout:    10 * time.Second,
		ResponseHeaderTimeout:  timeout,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		MaxIdleConns:           64,
		MaxIdleConnsPerHost:    2,
		IdleConnTimeout:        30 * time.Second,
	}
	return &http.Client{Transport: &guard{policy: e, next: t, timeout: timeout, maxBody: maxBody}, CheckRedirect: checkRedirect}
}

func checkRedirect(req *http.Request, via []*http.Request) error {
	if len(via) > maxRedirects {
		return refused(errors.New("too many redirects"))
	}
	if last := via[len(via)-1]; last.URL.Scheme == "https" && req.URL.Scheme != "https" {
		return refused(errors.New("a redirect to plain HTTP"))
	}
	return nil
}

func refused(cause error) *fault.Error {
	return fault.New(fault.Invalid, "egress.refused", "This address cannot be called.").Because(cause)
}

// unreachable hides why, except from the log; a caller that gave up hears that.
func unreachable(ctx context.Context, cause error) error {
	var known *fault.Error
	switch {
	case errors.As(cause, &known):
		return known
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	}
	return fault.New(fault.Unavailable, "egress.unreachable", "The other side did not answer.").Because(cause)
}
