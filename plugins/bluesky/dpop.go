package bluesky

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/social"
)

// A prover signs requests with the key that a sign-in's tokens are bound to
// (RFC 9449), so that a stolen token alone opens nothing.
type prover struct {
	key *ecdsa.PrivateKey
	now func() time.Time
}

func newProver(now func() time.Time) (prover, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	return prover{key, now}, err
}

// seal is the key as the credential keeps it.
func (p prover) seal() (string, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(p.key)
	return base64.StdEncoding.EncodeToString(raw), err
}

func openProver(sealed string, now func() time.Time) (prover, error) {
	raw, err := base64.StdEncoding.DecodeString(sealed)
	if err != nil {
		return prover{}, err
	}
	key, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return prover{}, err
	}
	own, ok := key.(*ecdsa.PrivateKey)
	if !ok || own.Curve != elliptic.P256() {
		return prover{}, x509.ErrUnsupportedAlgorithm
	}
	return prover{own, now}, nil
}

// proof is for one request. nonce is what the server last asked for, token
// what the request carries; either may be empty.
func (p prover) proof(method, url, nonce, token string) (string, error) {
	target, _, _ := strings.Cut(url, "?")
	claims := map[string]any{"jti": rand.Text(), "htm": method, "htu": target, "iat": p.now().Unix()}
	if nonce != "" {
		claims["nonce"] = nonce
	}
	if token != "" {
		sum := sha256.Sum256([]byte(token))
		claims["ath"] = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	public, err := p.key.PublicKey.ECDH()
	if err != nil {
		return "", err
	}
	point := public.Bytes() // 4, then x and y of 32 bytes each
	return p.sign(map[string]any{"typ": "dpop+jwt", "alg": "ES256", "jwk": map[string]string{
		"kty": "EC", "crv": "P-256",
		"x": base64.RawURLEncoding.EncodeToString(point[1:33]), "y": base64.RawURLEncoding.EncodeToString(point[33:]),
	}}, claims)
}

// sign makes a compact JWS with ES256 (RFC 7515 and RFC 7518, section 3.4).
func (p prover) sign(header, claims map[string]any) (string, error) {
	head, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	body, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(head) + "." + base64.RawURLEncoding.EncodeToString(body)
	sum := sha256.Sum256([]byte(signed))
	r, s, err := ecdsa.Sign(rand.Reader, p.key, sum[:])
	if err != nil {
		return "", err
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	s.FillBytes(signature[32:])
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature[:]), nil
}

// signed sends req with a proof. Servers make a client use their newest nonce
// and refuse what lacks it, so a refusal for that alone is repeated once.
func (b *Bluesky) signed(ctx context.Context, p prover, token, nonce string, req web.Request) (*web.Reply, error) {
	for {
		proof, err := p.proof(req.Method, req.URL, nonce, token)
		if err != nil {
			return nil, broken(err)
		}
		header := map[string]string{"DPoP": proof}
		for name, value := range req.Header {
			header[name] = value
		}
		if token != "" {
			header["Authorization"] = "DPoP " + token
		}
		once := req
		once.Header = header
		reply, err := b.web.Do(ctx, once)
		fresh := nonceOf(reply)
		if err != nil || req.Commit || req.Body != nil || nonce != "" || fresh == "" || nameOf(reply) != "use_dpop_nonce" {
			return reply, err
		}
		nonce = fresh
	}
}

func nonceOf(reply *web.Reply) string {
	if reply == nil {
		return ""
	}
	return reply.Header.Get("DPoP-Nonce")
}

// as sends req as the account of call: with a bearer token, or with a proof if
// the account signed in by OAuth. What can be sent only once, a commit or a
// stream, gets its nonce from a question asked before.
func (b *Bluesky) as(ctx context.Context, call social.Call, req web.Request) (*web.Reply, error) {
	sealed, token := call.Credential.Secrets["dpop_key"], call.Credential.AccessToken
	if sealed == "" {
		req.Token = token
		return b.web.Do(ctx, req)
	}
	p, err := openProver(sealed, b.now)
	if err != nil {
		return nil, broken(err)
	}
	nonce := ""
	if req.Commit || req.Body != nil {
		reply, err := b.signed(ctx, p, token, "", web.Request{
			Method: http.MethodGet, URL: b.pds(call) + "/xrpc/com.atproto.server.getSession",
		})
		if err != nil {
			return nil, err
		}
		if nonce = nonceOf(reply); !reply.OK() {
			return nil, b.refused(reply, token, false)
		}
	}
	return b.signed(ctx, p, token, nonce, req)
}

// broken is the fault of a credential or a machine that cannot sign.
func broken(err error) *social.Fault {
	f := social.Fail(social.AuthRevoked, "bluesky.key", "Connect this Bluesky account again.")
	f.Source, f.Err = social.FromPlugin, err
	return f
}
