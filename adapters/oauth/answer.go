package oauth

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/social"
)

// Bounds on what a server may send.
const (
	maxAnswer = 64 << 10
	maxToken  = 16 << 10
	maxLife   = 10 * 365 * 24 * time.Hour
)

// An answer is what a server sent, as far as it matters.
type answer struct {
	status int
	after  time.Duration // Retry-After
	body   body
	broken error // why body could not be read
}

// body is the union of what the endpoints answer.
type body struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	TokenType    string `json:"token_type"`
	ExpiresIn    number `json:"expires_in"`
	Scope        list   `json:"scope"`
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	Error        string `json:"error"`
}

// number is a JSON number, also in quotes as some servers have it.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	text := strings.Trim(string(b), `"`)
	if text == "null" || text == "" {
		return nil
	}
	v, err := strconv.ParseFloat(text, 64)
	*n = number(v)
	return err
}

// list is scopes: a string separated by spaces or commas, or an array.
type list []string

func (l *list) UnmarshalJSON(b []byte) error {
	var many []string
	if err := json.Unmarshal(b, &many); err == nil {
		*l = many
		return nil
	}
	var one string
	if err := json.Unmarshal(b, &one); err != nil {
		return err
	}
	*l = strings.FieldsFunc(one, func(r rune) bool { return r == ' ' || r == ',' })
	return nil
}

func read(res *http.Response, now time.Time) (*answer, error) {
	a := &answer{status: res.StatusCode, after: retryAfter(res.Header.Get("Retry-After"), now)}
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	if err != nil {
		return nil, unreached(err)
	}
	if len(raw) > maxAnswer {
		a.broken = errors.New("the answer is too long")
		return a, nil
	}
	if err := json.Unmarshal(raw, &a.body); err != nil {
		a.broken = errors.New("the answer is not the JSON expected") // the cause quotes it
	}
	return a, nil
}

// retryAfter reads seconds or a date (RFC 9110, 10.2.3).
func retryAfter(h string, now time.Time) time.Duration {
	if n, err := strconv.Atoi(h); err == nil {
		return time.Duration(min(max(n, 0), int(maxLife/time.Second))) * time.Second
	}
	if at, err := http.ParseTime(h); err == nil {
		return max(at.Sub(now), 0)
	}
	return 0
}

// token reads a token answer.
func (a *answer) token() (channels.Token, error) {
	if err := a.fault(); err != nil {
		return channels.Token{}, err
	}
	b := a.body
	switch {
	case a.broken != nil || b.AccessToken == "" || len(b.AccessToken)+len(b.RefreshToken) > maxToken:
		return channels.Token{}, a.fail(social.Transient, "oauth.bad_answer", "The platform answered the sign-in with something else.")
	case b.TokenType != "" && !strings.EqualFold(b.TokenType, "bearer"):
		return channels.Token{}, a.fail(social.Permanent, "oauth.token_type", "The platform gave a kind of token that cannot be used.")
	}
	t := channels.Token{Access: b.AccessToken, Refresh: b.RefreshToken, Scopes: b.Scope}
	if s := float64(b.ExpiresIn); s > 0 {
		t.ExpiresIn = time.Duration(min(s, maxLife.Seconds()) * float64(time.Second))
	}
	return t, nil
}

// client reads a registration.
func (a *answer) client() (channels.Client, error) {
	if err := a.fault(); err != nil {
		return channels.Client{}, err
	}
	if a.broken != nil || a.body.ClientID == "" {
		return channels.Client{}, a.fail(social.Transient, "oauth.bad_answer", "The server answered the registration with something else.")
	}
	return channels.Client{ID: a.body.ClientID, Secret: a.body.ClientSecret}, nil
}

// fault is what an error answer means (RFC 6749, 5.2), nil for a success.
// A success can carry an error, too: some servers answer 200 to everything.
func (a *answer) fault() error {
	if a.status >= 200 && a.status < 300 && a.body.Error == "" {
		return nil
	}
	switch a.body.Error {
	case "invalid_grant":
		return a.fail(social.AuthRevoked, "oauth.invalid_grant", "The platform has withdrawn this sign-in.")
	case "invalid_client", "unauthorized_client", "access_denied":
		return a.fail(social.Permission, "oauth.client_refused", "The platform does not accept this installation's app.")
	case "invalid_scope":
		return a.fail(social.Permission, "oauth.scope_refused", "The platform's app lacks a permission that is asked for.")
	case "temporarily_unavailable", "server_error", "slow_down":
		return a.fail(social.Transient, "oauth.unavailable", "The platform's sign-in is out of order.")
	}
	switch {
	case a.status == http.StatusTooManyRequests:
		return a.fail(social.RateLimited, "oauth.rate_limited", "The platform asks to wait.")
	case a.status >= 500 || a.status == http.StatusRequestTimeout:
		return a.fail(social.Transient, "oauth.unavailable", "The platform's sign-in is out of order.")
	}
	return a.fail(social.Permanent, "oauth.refused", "The platform refused the sign-in.")
}

func (a *answer) fail(kind social.Kind, key, message string) *social.Fault {
	f := social.Fail(kind, key, "%s", message)
	f.HTTPStatus, f.RetryAfter, f.Err = a.status, a.after, a.broken
	if known(a.body.Error) {
		f.Upstream = a.body.Error
	}
	return f
}

// known reports whether an error code is a slug: anything else might quote
// what was sent.
func known(code string) bool {
	for _, c := range code {
		if (c < 'a' || c > 'z') && c != '_' {
			return false
		}
	}
	return len(code) <= 40
}
