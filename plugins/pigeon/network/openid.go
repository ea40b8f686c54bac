package network

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// idLife is how long an ID token is good.
const idLife = 5 * time.Minute

// openID is whether an application asks who somebody is (OpenID Connect Core 1.0).
func (a ask) openID() bool { return slices.Contains(strings.Fields(a.Scope), "openid") }

// issuer is the network as its ID tokens name it: wherever it is reached.
func issuer(r *http.Request) string { return "http://" + r.Host }

// discovery is what the network says about itself (Discovery 1.0).
func (n *Network) discovery(w http.ResponseWriter, r *http.Request) {
	here := issuer(r)
	answer(w, http.StatusOK, map[string]any{
		"issuer": here, "authorization_endpoint": here + "/oauth/authorize", "token_endpoint": here + "/oauth/token", "jwks_uri": here + "/oauth/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"},
		"id_token_signing_alg_values_supported": []string{"EdDSA"}, "code_challenge_methods_supported": []string{"S256"},
		"scopes_supported": []string{"openid", "email", "profile"}, "authorization_response_iss_parameter_supported": true,
		"token_endpoint_auth_methods_supported": []string{"client_secret_basic", "client_secret_post", "none"},
	})
}

// keys is what the ID tokens are signed with. It is another one after a restart.
func (n *Network) keys(w http.ResponseWriter, _ *http.Request) {
	public := n.signing.Public().(ed25519.PublicKey)
	answer(w, http.StatusOK, map[string]any{"keys": []any{map[string]any{
		"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": keyID(public), "x": base64.RawURLEncoding.EncodeToString(public),
	}}})
}

func keyID(public ed25519.PublicKey) string { return hash(string(public))[:16] }

// idToken says who signed in. Everybody here has an address, and it is theirs.
func (n *Network) idToken(r *http.Request, c *code) string {
	a, now := n.account(c.account), n.opt.Now()
	return n.sign(map[string]any{
		"iss": issuer(r), "sub": a.ID, "aud": c.client, "iat": now.Unix(), "exp": now.Add(idLife).Unix(), "nonce": c.nonce,
		"name": a.Name, "preferred_username": a.Handle, "email": a.Handle + "@pigeon.example", "email_verified": true,
	})
}

// sign writes claims as a JWT (RFC 7515, 8037).
func (n *Network) sign(claims map[string]any) string {
	part := func(v any) string {
		b, _ := json.Marshal(v) // of strings and numbers
		return base64.RawURLEncoding.EncodeToString(b)
	}
	head := map[string]any{"alg": "EdDSA", "typ": "JWT", "kid": keyID(n.signing.Public().(ed25519.PublicKey))}
	signed := part(head) + "." + part(claims)
	return signed + "." + base64.RawURLEncoding.EncodeToString(ed25519.Sign(n.signing, []byte(signed)))
}
