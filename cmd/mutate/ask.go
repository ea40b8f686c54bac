package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/id"
)

// make sends a sound request of p, learns the names in the answer and returns it.
func (s *stage) make(ctx context.Context, p *principal, method, path, body string) (map[string]any, error) {
	req, err := http.NewRequestWithContext(ctx, method, s.rig.api+"/api/v1"+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if p.token() != "" {
		req.Header.Set("Authorization", "Bearer "+p.token())
	}
	if p.tenant != "" {
		req.Header.Set("Carillon-Tenant", p.tenant)
	}
	req.Header.Set("X-Forwarded-For", fmt.Sprintf("198.51.100.%d", 1+rand.N(250)))
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("Idempotency-Key", id.New("x"))
	}
	res, err := s.rig.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return nil, fmt.Errorf("%s %s: %s %.300s", method, path, res.Status, raw)
	}
	if p.side != nil {
		p.side.learn(raw)
	}
	var out map[string]any
	return out, json.Unmarshal(raw, &out)
}

func (s *stage) see(ctx context.Context, p *principal, path string) error {
	_, err := s.make(ctx, p, http.MethodGet, path, "")
	return err
}

// signIn gives p a session. It is tried with what an example may have changed
// the password to, too, and not more than once in a while.
func (s *stage) signIn(ctx context.Context, p *principal) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.since) < 300*time.Millisecond {
		return nil
	}
	p.since = time.Now()
	if p == s.operator {
		in, err := s.rig.kernel.operator(ctx)
		token := in.Reveal()
		p.bearer.Store(&token)
		return err
	}
	var err error
	for _, word := range []string{password, "lantern gravel tuesday umbrella"} {
		var in map[string]any
		if in, err = s.make(ctx, &principal{}, http.MethodPost, "/auth/login", fmt.Sprintf(`{"email":%q,"password":%q}`, p.email, word)); err != nil {
			continue
		}
		if token, ok := in["access_token"].(string); ok {
			p.bearer.Store(&token)
			return nil
		}
		err = fmt.Errorf("sign in as %s: %v", p.name, in)
	}
	return err
}

// dice are the chances of the n-th request.
func dice(seed uint64, n int64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, uint64(n))) //nolint:gosec // to be repeated, not to be secret
}

// nobodys are dice for what does not matter.
func nobodys() *rand.Rand { return dice(0, 0) }
