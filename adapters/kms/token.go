package kms

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/carillonhq/carillon/ports/secret"
)

// current is the token to show. When half of its time is over it is renewed, by
// one of those who ask; the others show it meanwhile, since it still works.
func (t *Transit) current(ctx context.Context) (secret.Secret, error) {
	token, due, err := t.shown()
	if err == nil && due {
		t.renewNow(ctx, token)
	}
	return token, err
}

// shown also says whether it is up to the caller to renew the token.
func (t *Transit) shown() (token secret.Secret, due bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == "" {
		if token, err = t.Token(); err != nil {
			return "", false, err
		}
		t.token, t.renew = token, time.Time{}
	}
	if due = !t.Now().Before(t.renew); due {
		t.renew = t.Now().Add(retryRenewal)
	}
	return t.token, due, nil
}

// retryRenewal is when to try again what did not work: the token still does.
const retryRenewal = time.Minute

// renewNow asks how long a token lives, and for longer. A token that cannot be
// renewed is used until Vault refuses it.
func (t *Transit) renewNow(ctx context.Context, token secret.Secret) {
	var out struct {
		TTL       int  `json:"lease_duration"`
		Renewable bool `json:"renewable"`
	}
	status, err := t.once(ctx, token, http.MethodPost, "auth/token/renew-self", map[string]string{}, &out)
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case token != t.token: // another took its place meanwhile
	case err != nil || status != http.StatusOK:
		t.renew = t.Now().Add(retryRenewal)
	case !out.Renewable || out.TTL <= 0:
		t.renew = t.Now().Add(24 * time.Hour)
	default:
		t.renew = t.Now().Add(time.Duration(out.TTL) * time.Second / 2)
	}
}

// fresh is the token that is configured now, after the one before was refused.
func (t *Transit) fresh() (secret.Secret, error) {
	token, err := t.Token()
	if err != nil {
		return "", err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if token != t.token {
		t.token, t.renew = token, time.Time{}
	}
	return token, nil
}

// Format implements fmt.Formatter: fmt would print a field that is not exported
// without asking it.
func (*Transit) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("transit")) }
