package network

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// A code is a sign-in between the account chooser and the token endpoint.
type code struct {
	account, client, redirect, challenge string
	nonce                                string
	openID                               bool // an ID token was asked for
	until                                time.Time
	family                               string // set once it was used
}

const codeLife = time.Minute

// ask is what an application asks the chooser for.
type ask struct {
	Client, Redirect, Challenge, Scope, State, Nonce string
}

func readAsk(v url.Values) ask {
	return ask{
		Client: v.Get("client_id"), Redirect: v.Get("redirect_uri"), Challenge: v.Get("code_challenge"),
		Scope: v.Get("scope"), State: v.Get("state"), Nonce: v.Get("nonce"),
	}
}

// check holds an application to its registration. Until the redirect is known
// to be the application's own, errors are shown and not sent there.
func (n *Network) check(v url.Values) (ask, *problem) {
	a := readAsk(v)
	switch {
	case a.Client != n.opt.ClientID:
		return a, fail(http.StatusBadRequest, "invalid_client", "No application with this client_id is registered.")
	case !n.allowed(a.Redirect):
		return a, fail(http.StatusBadRequest, "invalid_redirect_uri", "The application did not register this redirect_uri.")
	case v.Get("response_type") != "code":
		return a, fail(http.StatusBadRequest, "unsupported_response_type", "response_type must be code.")
	case v.Get("code_challenge_method") != "S256" || len(a.Challenge) != 43:
		return a, fail(http.StatusBadRequest, "invalid_request", "PKCE with S256 is required.")
	}
	return a, nil
}

func (n *Network) allowed(redirect string) bool {
	if len(n.opt.RedirectURIs) > 0 {
		return slices.Contains(n.opt.RedirectURIs, redirect)
	}
	u, err := url.Parse(redirect)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Fragment != "" || u.User != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// authorize is the click on an account: it sends the browser back with a code.
func (n *Network) authorize(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		fail(http.StatusBadRequest, "invalid_request", "The form could not be read.").write(w)
		return
	}
	asked, refusal := n.check(r.PostForm)
	if refusal != nil {
		refusal.write(w)
		return
	}
	back := url.Values{"state": {asked.State}}
	if asked.openID() {
		back.Set("iss", issuer(r))
	}
	if handle := r.PostForm.Get("account"); handle == "" {
		back.Set("error", "access_denied")
	} else if a, err := n.join(handle); err != nil {
		fail(http.StatusBadRequest, "invalid_handle", errHandle.Error()).on("account").write(w)
		return
	} else {
		back.Set("code", n.newCode(a, asked))
	}
	target, _ := url.Parse(asked.Redirect) // check parsed it
	query := target.Query()
	for name := range back {
		query.Set(name, back.Get(name))
	}
	target.RawQuery = query.Encode()
	http.Redirect(w, r, target.String(), http.StatusSeeOther)
}

func (n *Network) newCode(a *Account, asked ask) string {
	value := random("pgc")
	n.mu.Lock()
	defer n.mu.Unlock()
	maps.DeleteFunc(n.codes, func(_ string, c *code) bool { return n.opt.Now().After(c.until) })
	n.codes[value] = &code{
		account: a.ID, client: asked.Client, redirect: asked.Redirect, challenge: asked.Challenge,
		nonce: asked.Nonce, openID: asked.openID(), until: n.opt.Now().Add(codeLife),
	}
	return value
}

// token trades a code or a refresh token for a pair of tokens.
func (n *Network) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		fail(http.StatusBadRequest, "invalid_request", "The form could not be read.").write(w)
		return
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	c := n.codes[r.PostForm.Get("code")]
	tokens, refusal := n.exchange(r)
	if refusal != nil {
		refusal.write(w)
		return
	}
	body := map[string]any{
		"access_token": tokens.Access, "refresh_token": tokens.Refresh, "token_type": "Bearer",
		"expires_in": int(tokens.Expires.Sub(n.opt.Now()).Seconds()), "scope": "read write media metrics",
	}
	if c != nil && c.openID {
		body["id_token"] = n.idToken(r, c)
	}
	answer(w, http.StatusOK, body)
}

func (n *Network) exchange(r *http.Request) (Tokens, *problem) {
	client, secret, basic := r.BasicAuth()
	if !basic {
		client, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if client != n.opt.ClientID || n.opt.ClientSecret != "" && subtle.ConstantTimeCompare([]byte(secret), []byte(n.opt.ClientSecret)) == 0 {
		return Tokens{}, fail(http.StatusUnauthorized, "invalid_client", "The application did not prove who it is.")
	}
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
		return n.spendCode(r.PostForm, client)
	case "refresh_token":
		return n.spendRefresh(r.PostForm.Get("refresh_token"), client)
	}
	return Tokens{}, fail(http.StatusBadRequest, "unsupported_grant_type", "Use authorization_code or refresh_token.")
}

// spendCode uses a code up. A code used twice was stolen, so what it gave the
// first time ends too (RFC 6749, section 4.1.2).
func (n *Network) spendCode(form url.Values, client string) (Tokens, *problem) {
	bad := fail(http.StatusBadRequest, "invalid_grant", "The code is unknown, used or expired.")
	c := n.codes[form.Get("code")]
	if c == nil {
		return Tokens{}, bad
	}
	if c.family != "" {
		return Tokens{}, firstProblem(n.revokeFamily(c.family), bad)
	}
	sum := sha256.Sum256([]byte(form.Get("code_verifier")))
	proof := base64.RawURLEncoding.EncodeToString(sum[:])
	if c.client != client || c.redirect != form.Get("redirect_uri") || proof != c.challenge || n.opt.Now().After(c.until) {
		delete(n.codes, form.Get("code"))
		return Tokens{}, bad
	}
	c.family = random("fam")
	return n.issued(c.account, client, c.family)
}

// spendRefresh uses a refresh token up. A second use ends the whole family
// (RFC 9700, section 4.14).
func (n *Network) spendRefresh(token, client string) (Tokens, *problem) {
	bad := fail(http.StatusBadRequest, "invalid_grant", "The refresh token is unknown, used or revoked.")
	g := n.refresh[hash(token)]
	if g == nil || g.Client != client || g.Revoked {
		return Tokens{}, bad
	}
	if g.Spent {
		return Tokens{}, firstProblem(n.revokeFamily(g.Family), bad)
	}
	spent := *g
	spent.Spent = true
	if err := n.save(&spent); err != nil {
		return Tokens{}, broken()
	}
	return n.issued(g.Account, client, g.Family)
}

func (n *Network) issued(account, client, family string) (Tokens, *problem) {
	tokens, err := n.issue(account, client, family)
	return tokens, firstProblem(err, nil)
}

// revoke ends the family of a token. It answers the same for unknown ones
// (RFC 7009, section 2.2).
func (n *Network) revoke(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	token := hash(r.PostFormValue("token"))
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range []*grant{n.access[token], n.refresh[token]} {
		if g == nil {
			continue
		}
		if err := n.revokeFamily(g.Family); err != nil {
			broken().write(w)
			return
		}
	}
	answer(w, http.StatusOK, struct{}{})
}

func broken() *problem {
	return fail(http.StatusInternalServerError, "internal", "The network could not write its journal.")
}

func firstProblem(err error, otherwise *problem) *problem {
	if err != nil {
		return broken()
	}
	return otherwise
}
