// Package webhooks posts signed events to addresses that customers chose.
//
// Everything goes out through egress, follows no redirect and takes at most
// Timeout: a receiver that needs longer should answer first and work later.
// What it answers is kept as a short excerpt for its owner and is never
// interpreted beyond the status and Retry-After.
//
// What is sent and when is decided in core/events; start there.
package webhooks

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/ports/fault"
)

// Timeout is how long a receiver has to answer, connecting included.
const Timeout = 15 * time.Second

// Sender is an events.Sender. It is safe for concurrent use.
type Sender struct {
	policy *egress.Egress
	client *http.Client
	agent  string
}

// New returns a Sender that goes out through policy. version is part of its
// user agent.
func New(policy *egress.Egress, version string) *Sender {
	client := policy.Client(Timeout, 64<<10)
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Sender{policy: policy, client: client, agent: "Carillon-Webhooks/" + version}
}

// Check implements events.Sender.
func (s *Sender) Check(url string) error { return s.policy.Check(url) }

// Send implements events.Sender.
func (s *Sender) Send(ctx context.Context, m events.Message) (events.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, m.URL, bytes.NewReader(m.Body))
	if err != nil {
		return events.Answer{}, fault.New(fault.Invalid, "egress.bad_url", "This is not a web address.").Because(err)
	}
	for name, value := range m.Headers {
		req.Header.Set(name, value)
	}
	req.Header.Set("User-Agent", s.agent)
	res, err := s.client.Do(req)
	if err != nil {
		return events.Answer{}, unwrap(err)
	}
	defer func() { _ = res.Body.Close() }()
	// The status has arrived; a body that breaks off takes nothing back.
	excerpt, _ := io.ReadAll(io.LimitReader(res.Body, events.MaxExcerpt))
	return events.Answer{
		Status: res.StatusCode, Excerpt: strings.ToValidUTF8(string(excerpt), ""), RetryAfter: retryAfter(res),
	}, nil
}

// unwrap drops the address that net/http adds, which may hold a customer's secret.
func unwrap(err error) error {
	var known *fault.Error
	if errors.As(err, &known) {
		return known
	}
	if cause := errors.Unwrap(err); cause != nil {
		return cause
	}
	return err
}

// retryAfter reads the header where it has a meaning; a date is ignored,
// because the schedule knows better than two clocks.
func retryAfter(res *http.Response) time.Duration {
	if res.StatusCode != http.StatusTooManyRequests && res.StatusCode != http.StatusServiceUnavailable {
		return 0
	}
	seconds, err := strconv.ParseUint(res.Header.Get("Retry-After"), 10, 31)
	if err != nil {
		return 0
	}
	return time.Duration(seconds) * time.Second
}
