package main

import (
	"context"
	"net"
	"net/url"
	"strings"

	"github.com/carillonhq/carillon/adapters/totp"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/adapters/webauthn"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
)

// product is what authenticator apps and devices show.
const product = "Carillon"

// proofs is what second factors are made with.
func (k *kernel) proofs(e *vault.Envelope) identity.Proofs {
	return identity.Proofs{
		Codes: totp.New(product), Passkeys: webauthn.Ceremonies{}, Sealer: sealer{e, k.db.Registry().Operator}, Party: parties(k.cfg.URL, k.hosts.Proven),
	}
}

// sealer seals what is of no tenant with the installation's own data key, which
// is rotated like any tenant's.
type sealer struct {
	envelope *vault.Envelope
	root     func(context.Context) (tenants.ID, error)
}

func (s sealer) Seal(ctx context.Context, place string, plain []byte) ([]byte, error) {
	root, err := s.root(ctx)
	if err != nil {
		return nil, err
	}
	return s.envelope.Seal(ctx, root, place, plain)
}

func (s sealer) Open(ctx context.Context, place string, sealed []byte) ([]byte, error) {
	root, err := s.root(ctx)
	if err != nil {
		return nil, err
	}
	return s.envelope.Open(ctx, root, place, sealed)
}

// parties says who asks for passkeys on a host. An installation has its own
// address; on a machine of one's own, localhost is another name of it, since
// passkeys are not made for numbers. A host that a tenant proved asks for itself;
// no other does.
func parties(address string, proven func(host string) bool) func(context.Context, string) (identity.Party, error) {
	known := map[string]identity.Party{}
	if u, err := url.Parse(address); err == nil {
		host := strings.ToLower(u.Hostname())
		known[host] = webauthn.PartyOf(product, host, u.Scheme+"://"+strings.ToLower(u.Host))
		if ip := net.ParseIP(host); ip != nil && ip.IsLoopback() {
			known["localhost"] = webauthn.PartyOf(product, "localhost", u.Scheme+"://"+net.JoinHostPort("localhost", u.Port()))
		}
	}
	return func(_ context.Context, host string) (identity.Party, error) {
		if p, own := known[host]; own || !proven(host) {
			return p, nil
		}
		return webauthn.PartyOf(product, host, "https://"+host), nil
	}
}
