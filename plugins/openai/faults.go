package openai

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	api "github.com/sashabaranov/go-openai"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// teller sends, and remembers what the library does not tell: the answer's
// headers.
type teller struct {
	send   api.HTTPDoer
	asked  bool // something was sent, or may have been
	header http.Header
}

// Do implements api.HTTPDoer.
func (t *teller) Do(req *http.Request) (*http.Response, error) {
	t.asked = true
	res, err := t.send.Do(req)
	if res != nil {
		t.header = res.Header
	}
	return res, err
}

// fault is what err proves.
func (t *teller) fault(ctx context.Context, err error, commit bool) error {
	var sent *social.Fault
	var said *api.APIError
	var odd *api.RequestError
	switch {
	case errors.As(err, &sent):
		return sent
	case errors.As(err, &said) && said.HTTPStatusCode != 0:
		return t.refused(said.HTTPStatusCode, code(said), said.Message, commit)
	case errors.As(err, &said): // in a stream that had begun
		f := unclear(commit, "openai.stream_failed", "OpenAI gave up while it answered.")
		f.Upstream = said.Message
		return f
	case errors.As(err, &odd):
		return t.refused(odd.HTTPStatusCode, "", string(odd.Body[:min(len(odd.Body), 2000)]), commit)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	f := unclear(commit, "openai.unclear", "OpenAI gave an unclear answer.")
	f.Err = err
	return f
}

func unclear(commit bool, key, message string) *social.Fault {
	if commit {
		return social.Fail(social.Ambiguous, key, "%s", message)
	}
	return social.Fail(social.Transient, key, "%s", message)
}

func code(e *api.APIError) string {
	if s, ok := e.Code.(string); ok && s != "" {
		return s
	}
	return e.Type
}

// refused reads a status with the vendor's own code. A 503 says that the
// request was not taken up; any other 5xx may have been worked on.
func (t *teller) refused(status int, code, said string, commit bool) *social.Fault {
	var f *social.Fault
	switch {
	case code == "insufficient_quota" || code == "billing_hard_limit_reached" || status == http.StatusPaymentRequired:
		f = social.Fail(social.OutOfFunds, "model.out_of_funds", "The OpenAI account has no credit left.")
	case status == http.StatusTooManyRequests:
		f = social.Fail(social.RateLimited, "openai.rate_limited", "OpenAI takes no more for now.")
		f.Scope = social.ScopeAccount
	case status == http.StatusUnauthorized:
		f = social.Fail(social.AuthRevoked, "openai.bad_key", "OpenAI does not accept this API key.")
	case status == http.StatusForbidden:
		f = social.Fail(social.Permission, "openai.forbidden", "This API key may not do this.")
	case status == http.StatusNotFound:
		f = social.Fail(social.NotFound, "model.not_found", "OpenAI has no such model for this key.")
	case code == "content_policy_violation" || code == "moderation_blocked" || code == "content_filter":
		f = social.Fail(social.Invalid, "model.filtered", "OpenAI's content filter refused this.")
	case code == "context_length_exceeded" || code == "string_above_max_length":
		f = social.Fail(social.Invalid, "model.too_long", "This is longer than the model reads.")
	case status == http.StatusConflict || status == http.StatusServiceUnavailable:
		f = social.Fail(social.Transient, "openai.busy", "OpenAI is busy.")
	case status >= 400 && status < 500 && status != http.StatusRequestTimeout:
		f = social.Fail(social.Invalid, "openai.refused", "OpenAI refused this request.")
	default:
		f = unclear(commit, "openai.failed", fmt.Sprintf("OpenAI answered %d.", status))
	}
	f.HTTPStatus, f.Upstream, f.RetryAfter = status, said, sdk.RetryAfter(t.header, time.Now())
	return f
}
