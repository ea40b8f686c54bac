// Package dns asks the DNS and knows what is a host name there.
//
// Names that people type are taken as browsers take them (UTS #46) and refused
// if a registry sells what is below them: nobody proves "co.uk". Start with
// Host.
package dns

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/idna"
	"golang.org/x/net/publicsuffix"

	"github.com/carillonhq/carillon/ports/fault"
)

// System asks the resolver that this machine is set up with. Its zero value is
// ready to use, from any number of goroutines.
type System struct{ Names }

// patience is how long one question may take.
const patience = 5 * time.Second

// TXT implements domains.Resolver.
func (System) TXT(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	texts, err := net.DefaultResolver.LookupTXT(ctx, name+".")
	var no *net.DNSError
	switch {
	case errors.As(err, &no) && no.IsNotFound:
		return nil, fault.New(fault.NotFound, "dns.none", "There is no such record.").Because(err)
	case err != nil:
		return nil, fault.New(fault.Unavailable, "dns.silent", "The DNS did not answer.").Because(err)
	}
	return texts, nil
}

// Names knows what is a host name. Its zero value is ready to use.
type Names struct{}

// Host implements domains.Namer.
func (Names) Host(typed string) (string, error) {
	if len(typed) > 1024 {
		return "", wrong("This is no host name.")
	}
	name := strings.TrimSuffix(typed, ".")
	if _, err := netip.ParseAddr(strings.Trim(name, "[]")); err == nil {
		return "", wrong("This is an address. Give the name of a host.")
	}
	host, err := idna.Registration.ToASCII(strings.ToLower(name))
	if err != nil {
		host, err = idna.Lookup.ToASCII(name)
	}
	if err != nil || len(host) > 253 || !labels(host) {
		return "", wrong("This is no host name.")
	}
	suffix, _ := publicsuffix.PublicSuffix(host)
	if host == suffix || !strings.Contains(host, ".") {
		return "", wrong("This name is not one person's alone. Give a host below it.")
	}
	return host, nil
}

// labels reports whether host is letters, digits and hyphens, as in a URL, and
// its last label no number, which some would read as an address.
func labels(host string) bool {
	all := strings.Split(host, ".")
	for _, l := range all {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' || strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	last := all[len(all)-1]
	return strings.Trim(last, "0123456789") != "" && !strings.HasPrefix(last, "0x")
}

func wrong(says string) error { return fault.New(fault.Invalid, "domain.host", "%s", says).On("/host") }
