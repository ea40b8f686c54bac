package kms

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/carillonhq/carillon/ports/secret"
)

// current is the token to show. When half of its time is over it is renewed.
func (t *Transit) current(ctx context.Context) (secret.Secret, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.token == "" {
		token, err := t.Token()
		if err != nil {
			return "", err
		}
		t.token, t.renew = token, time.Time{}
	}
	if t.renew.IsZero() || !t.Now().Before(t.renew) {
		t.renewNow(ctx)
	}
	return t.token, nil
}

// retryRenewal is when to try again what did not work: the token still does.
const retryRenewal = time.Minute

// renewNow asks how long the token lives, and for longer. A token that cannot be
// renewed is used until Vault refuses it.
func (t *Transit) renewNow(ctx context.Context) {
	var out struct {
		TTL       int  `json:"lease_duration"`
		Renewable bool `json:"renewable"`
	}
	status, err := t.once(ctx, t.token, http.MethodPost, "auth/token/renew-self", map[string]string{}, &out)
	switch {
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
