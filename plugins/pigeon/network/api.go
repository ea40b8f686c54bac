package network

import (
	"encoding/json"
	"net/http"
	"strconv"
	"time"
)

// A problem is a refusal: {"error": slug, "message": for people, "field": …}.
type problem struct {
	status     int
	Err        string `json:"error"`
	Message    string `json:"message"`
	Field      string `json:"field,omitempty"`
	retryAfter time.Duration
}

func fail(status int, slug, message string) *problem {
	return &problem{status: status, Err: slug, Message: message}
}

func (p *problem) on(field string) *problem { p.Field = field; return p }

func (p *problem) write(w http.ResponseWriter) {
	if p.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(int(max(p.retryAfter.Seconds(), 1))))
	}
	answer(w, p.status, p)
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body)
}

// api puts sign-in and the rate limit before an operation.
func (n *Network) api(serve func(http.ResponseWriter, *http.Request, *grant)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		n.mu.Lock()
		g, refusal := n.bearer(r)
		if refusal == nil {
			refusal = n.spend(w.Header(), g.Account)
		}
		n.mu.Unlock()
		if refusal != nil {
			refusal.write(w)
			return
		}
		serve(w, r, g)
	}
}

// A window is one account's allowance until it ends.
type window struct {
	ends time.Time
	used int
}

// spend takes one request off an account's allowance and says so in headers.
// The caller holds the lock.
func (n *Network) spend(h http.Header, account string) *problem {
	if n.opt.RateLimit <= 0 {
		return nil
	}
	now := n.opt.Now()
	win := n.windows[account]
	if win == nil || !now.Before(win.ends) {
		win = &window{ends: now.Add(n.opt.RateWindow)}
		n.windows[account] = win
	}
	win.used++
	h.Set("X-RateLimit-Limit", strconv.Itoa(n.opt.RateLimit))
	h.Set("X-RateLimit-Remaining", strconv.Itoa(max(n.opt.RateLimit-win.used, 0)))
	h.Set("X-RateLimit-Reset", strconv.FormatInt(win.ends.Unix(), 10))
	if win.used <= n.opt.RateLimit {
		return nil
	}
	refusal := fail(http.StatusTooManyRequests, "rate_limited", "Too many requests, slow down.")
	refusal.retryAfter = win.ends.Sub(now) + time.Second
	return refusal
}

func (n *Network) me(w http.ResponseWriter, r *http.Request, g *grant) {
	n.mu.Lock()
	a := *n.account(g.Account)
	n.mu.Unlock()
	answer(w, http.StatusOK, map[string]any{
		"id": a.ID, "handle": a.Handle, "name": a.Name, "url": origin(r) + "/@" + a.Handle,
		"limits": map[string]int{"max_text": MaxText, "max_media": MaxMedia, "max_media_bytes": MaxMediaLen, "max_alt": MaxAlt},
	})
}

// origin is how the caller reached the network.
func origin(r *http.Request) string {
	scheme := "http"
	if r.TLS != nil {
		scheme = "https"
	}
	return scheme + "://" + r.Host
}
