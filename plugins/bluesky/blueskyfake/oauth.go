package blueskyfake

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// pushed is an authorization request on its way to a code and to tokens.
type pushed struct {
	client, redirect, challenge, state, key string
}

// nonce is what proofs must carry; it changes every three minutes.
func (s *Server) nonce() string {
	return "nonce-" + s.now().Truncate(3*time.Minute).UTC().Format(time.RFC3339)
}

func (s *Server) directory(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("did") != DID {
		refuse(w, http.StatusNotFound, "NotFound", "DID not registered")
		return
	}
	answer(w, http.StatusOK, document(r))
}

func document(r *http.Request) map[string]any {
	return map[string]any{"id": DID, "service": []any{map[string]string{
		"id": "#atproto_pds", "type": "AtprotoPersonalDataServer", "serviceEndpoint": "http://" + r.Host,
	}}}
}

func (s *Server) protectedResource(w http.ResponseWriter, r *http.Request) {
	answer(w, http.StatusOK, map[string]any{"resource": "http://" + r.Host, "authorization_servers": []string{"http://" + r.Host}})
}

func (s *Server) authorizationServer(w http.ResponseWriter, r *http.Request) {
	base := "http://" + r.Host
	answer(w, http.StatusOK, map[string]any{
		"issuer": base, "authorization_endpoint": base + "/oauth/authorize", "token_endpoint": base + "/oauth/token",
		"pushed_authorization_request_endpoint": base + "/oauth/par", "require_pushed_authorization_requests": true,
		"dpop_signing_alg_values_supported": []string{"ES256"}, "authorization_response_iss_parameter_supported": true,
	})
}

func (s *Server) par(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, ok := s.proven(w, r, "", http.StatusBadRequest)
	if !ok {
		return
	}
	if r.PostFormValue("code_challenge_method") != "S256" || !strings.HasPrefix(r.PostFormValue("scope"), "atproto") {
		refuse(w, http.StatusBadRequest, "invalid_request", "PKCE and the atproto scope are required")
		return
	}
	name := "urn:ietf:params:oauth:request_uri:" + rand.Text()
	s.requests[name] = pushed{
		client: r.PostFormValue("client_id"), redirect: r.PostFormValue("redirect_uri"),
		challenge: r.PostFormValue("code_challenge"), state: r.PostFormValue("state"), key: key,
	}
	answer(w, http.StatusCreated, map[string]any{"request_uri": name, "expires_in": 299})
}

// authorize is a person who always says yes.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := r.URL.Query().Get("request_uri")
	asked, ok := s.requests[name]
	if !ok || asked.client != r.URL.Query().Get("client_id") {
		http.Error(w, "unknown request", http.StatusBadRequest)
		return
	}
	delete(s.requests, name)
	code := rand.Text()
	s.codes[code] = asked
	query := url.Values{"code": {code}, "state": {asked.state}, "iss": {"http://" + r.Host}}
	http.Redirect(w, r, asked.redirect+"?"+query.Encode(), http.StatusSeeOther)
}

func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, ok := s.proven(w, r, "", http.StatusBadRequest)
	if !ok {
		return
	}
	switch r.PostFormValue("grant_type") {
	case "authorization_code":
		asked, known := s.codes[r.PostFormValue("code")]
		delete(s.codes, r.PostFormValue("code"))
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		known = known && asked.key == key && asked.redirect == r.PostFormValue("redirect_uri") &&
			asked.challenge == base64.RawURLEncoding.EncodeToString(sum[:])
		s.grant(w, key, known)
	case "refresh_token":
		old := r.PostFormValue("refresh_token")
		known := s.bound[old] == key && s.now().Before(s.refresh[old])
		delete(s.refresh, old) // works once
		s.grant(w, key, known)
	default:
		refuse(w, http.StatusBadRequest, "unsupported_grant_type", "")
	}
}

func (s *Server) grant(w http.ResponseWriter, key string, granted bool) {
	if !granted {
		refuse(w, http.StatusBadRequest, "invalid_grant", "Invalid or expired grant")
		return
	}
	const life = 15 * time.Minute
	access, refresh := s.jwt(life), "ref-"+rand.Text()
	s.access[access], s.refresh[refresh] = s.now().Add(life), s.now().Add(14*24*time.Hour)
	s.bound[access], s.bound[refresh] = key, key
	answer(w, http.StatusOK, map[string]any{
		"access_token": access, "refresh_token": refresh, "token_type": "DPoP", "expires_in": int(life.Seconds()),
		"scope": "atproto transition:generic", "sub": DID,
	})
}

// proven checks the proof of a request and returns the thumbprint of its key.
// Without the newest nonce it asks for it with status.
func (s *Server) proven(w http.ResponseWriter, r *http.Request, token string, status int) (key string, ok bool) {
	w.Header().Set("DPoP-Nonce", s.nonce())
	claims, key, err := verify(r.Header.Get("DPoP"))
	jti, _ := claims["jti"].(string)
	sum := sha256.Sum256([]byte(token))
	switch {
	case err != nil, claims["htm"] != r.Method, claims["htu"] != "http://"+r.Host+r.URL.Path, jti == "", s.seen[jti],
		token != "" && claims["ath"] != base64.RawURLEncoding.EncodeToString(sum[:]):
		refuse(w, status, "invalid_dpop_proof", "DPoP proof mismatch")
		return "", false
	case claims["nonce"] != s.nonce():
		refuse(w, status, "use_dpop_nonce", "Authorization server requires nonce in DPoP proof")
		return "", false
	}
	s.seen[jti] = true
	return key, true
}

// verify checks the signature of a proof with the key that it carries.
func verify(proof string) (claims map[string]any, key string, err error) {
	var parts [3][]byte
	fields := strings.Split(proof, ".")
	if len(fields) != len(parts) {
		return nil, "", errors.New("no proof")
	}
	for i, field := range fields {
		if parts[i], err = base64.RawURLEncoding.DecodeString(field); err != nil {
			return nil, "", err
		}
	}
	var header struct {
		Typ, Alg string
		JWK      struct{ Crv, X, Y string }
	}
	if err = errors.Join(json.Unmarshal(parts[0], &header), json.Unmarshal(parts[1], &claims)); err != nil {
		return nil, "", err
	}
	x, errX := base64.RawURLEncoding.DecodeString(header.JWK.X)
	y, errY := base64.RawURLEncoding.DecodeString(header.JWK.Y)
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append(append([]byte{4}, x...), y...))
	if err = errors.Join(err, errX, errY); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256([]byte(fields[0] + "." + fields[1]))
	sound := header.Typ == "dpop+jwt" && header.Alg == "ES256" && header.JWK.Crv == "P-256" && len(parts[2]) == 64 &&
		ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(parts[2][:32]), new(big.Int).SetBytes(parts[2][32:]))
	if !sound {
		return nil, "", errors.New("the proof does not hold")
	}
	return claims, header.JWK.X + "." + header.JWK.Y, nil
}
