package network

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"regexp"
	"strings"
	"time"
)

// An Account is somebody who can post.
type Account struct {
	ID     string `json:"id"`
	Handle string `json:"handle"`
	Name   string `json:"name"`
}

// A grant is what one sign-in or one refresh gave: a pair of tokens, of which
// only hashes are kept. A family is every grant that follows from one sign-in.
type grant struct {
	ID      string    `json:"id"`
	Family  string    `json:"family"`
	Account string    `json:"account"`
	Client  string    `json:"client"`
	Access  string    `json:"access"`
	Refresh string    `json:"refresh"`
	Until   time.Time `json:"until"`
	Spent   bool      `json:"spent,omitempty"`   // the refresh token was used
	Revoked bool      `json:"revoked,omitempty"` // nothing of it works any more
}

// Tokens are what an application holds after a sign-in.
type Tokens struct {
	Access, Refresh string
	Expires         time.Time
}

var handlePattern = regexp.MustCompile(`^[a-z0-9_]{2,30}$`)

var errHandle = errors.New("network: a handle is 2 to 30 of a-z, 0-9 and _")

// join returns the account of a handle, made if need be.
func (n *Network) join(handle string) (*Account, error) {
	handle = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(handle), "@"))
	if !handlePattern.MatchString(handle) {
		return nil, errHandle
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if a := n.byHandle[handle]; a != nil {
		return a, nil
	}
	a := &Account{ID: "acc_" + handle, Handle: handle, Name: strings.ToUpper(handle[:1]) + strings.ReplaceAll(handle[1:], "_", " ")}
	if err := n.journal.put("account", a); err != nil {
		return nil, err
	}
	n.addAccount(a)
	return a, nil
}

func (n *Network) addAccount(a *Account) {
	if n.byHandle[a.Handle] == nil {
		n.accounts = append(n.accounts, a)
	}
	n.byHandle[a.Handle] = a
}

func (n *Network) account(id string) *Account {
	return n.byHandle[strings.TrimPrefix(id, "acc_")]
}

// SignIn gives tokens for a handle without a browser, for tests and drivers.
func (n *Network) SignIn(handle string) (Tokens, error) {
	a, err := n.join(handle)
	if err != nil {
		return Tokens{}, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.issue(a.ID, n.opt.ClientID, random("fam"))
}

// issue makes a pair of tokens. The caller holds the lock.
func (n *Network) issue(account, client, family string) (Tokens, error) {
	t := Tokens{Access: random("pga"), Refresh: random("pgr"), Expires: n.opt.Now().Add(n.opt.AccessLife)}
	g := &grant{
		ID: random("grt"), Family: family, Account: account, Client: client,
		Access: hash(t.Access), Refresh: hash(t.Refresh), Until: t.Expires,
	}
	if err := n.save(g); err != nil {
		return Tokens{}, err
	}
	return t, nil
}

func (n *Network) save(g *grant) error {
	if err := n.journal.put("grant", g); err != nil {
		return err
	}
	n.addGrant(g)
	return nil
}

func (n *Network) addGrant(g *grant) {
	n.access[g.Access] = g
	n.refresh[g.Refresh] = g
}

// revokeFamily ends every grant of a sign-in. The caller holds the lock.
func (n *Network) revokeFamily(family string) error {
	for _, g := range n.access {
		if g.Family != family || g.Revoked {
			continue
		}
		ended := *g
		ended.Revoked = true
		if err := n.save(&ended); err != nil {
			return err
		}
	}
	return nil
}

// bearer finds who is asking. The caller holds the lock.
func (n *Network) bearer(r *http.Request) (*grant, *problem) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	g := n.access[hash(token)]
	switch {
	case !ok || g == nil:
		return nil, fail(http.StatusUnauthorized, "invalid_token", "This token is not known here.")
	case g.Revoked:
		return nil, fail(http.StatusUnauthorized, "token_revoked", "Access was withdrawn.")
	case !n.opt.Now().Before(g.Until):
		return nil, fail(http.StatusUnauthorized, "token_expired", "The access token has expired.")
	}
	return g, nil
}

func random(prefix string) string { return prefix + "_" + strings.ToLower(rand.Text()) }

func hash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
