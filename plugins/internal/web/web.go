// Package web is how first-party plugins call a platform: package sdk's
// requests, with the shapes that JSON services share and faults that speak of
// the platform by name.
//
// A request that brought no answer leaves one question, whether it may have
// had an effect. sdk.Commit decides that for commits; anything else is safe to
// repeat by the port's contract and so is Transient. Start with Client.Do.
package web

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// MaxReply is the most of an answer that is read.
const MaxReply = 4 << 20

// A Client calls one platform. Name is the slug its faults begin with and
// Title its name for people.
type Client struct {
	Name, Title string
	http        *http.Client
}

// New makes a Client over base; nil means the SDK's own.
func New(name, title string, base *http.Client) *Client {
	if base == nil {
		base = sdk.HTTPClient()
	}
	return &Client{Name: name, Title: title, http: base}
}

// A Request is one call. At most one of Form, JSON and Body is set.
type Request struct {
	Method string
	URL    string
	Token  string // sent as a bearer token
	Header map[string]string
	Form   url.Values
	JSON   any
	Body   io.Reader
	Length int64 // of Body; 0 if unknown
	Commit bool  // has an irreversible effect: sent at most once
}

// A Reply is an answer of the platform, whatever its status.
type Reply struct {
	Status int
	Header http.Header
	Body   []byte
}

// OK reports whether the status says success.
func (r *Reply) OK() bool { return r.Status >= 200 && r.Status < 300 }

// Into parses the body as JSON.
func (r *Reply) Into(v any) error { return json.Unmarshal(r.Body, v) }

// Do sends the request and reads the whole answer. Its error is a
// *social.Fault: Transient if nothing can have happened, else Ambiguous.
func (c *Client) Do(ctx context.Context, req Request) (*Reply, error) {
	r, err := req.build(ctx)
	if err != nil {
		return nil, c.unreached(err)
	}
	res, err := c.send(ctx, r, req.Commit)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxReply))
	if err != nil {
		return nil, c.unreached(err)
	}
	return &Reply{Status: res.StatusCode, Header: res.Header, Body: body}, nil
}

func (c *Client) send(ctx context.Context, r *http.Request, commit bool) (*http.Response, error) {
	if !commit {
		res, err := c.http.Do(r)
		if err != nil {
			return nil, c.unreached(err)
		}
		return res, nil
	}
	res, err := sdk.Commit(ctx, c.http, r)
	var f *social.Fault
	if errors.As(err, &f) {
		f.Message = c.Title + " could not be reached."
		if f.Kind == social.Ambiguous {
			f.Message = c.Title + " did not answer. The post may or may not be there."
		}
	}
	return res, err
}

func (req Request) build(ctx context.Context) (*http.Request, error) {
	body, contentType := req.Body, ""
	switch {
	case req.Form != nil:
		body, contentType = strings.NewReader(req.Form.Encode()), "application/x-www-form-urlencoded"
	case req.JSON != nil:
		raw, err := json.Marshal(req.JSON)
		if err != nil {
			return nil, err
		}
		body, contentType = bytes.NewReader(raw), "application/json"
	}
	r, err := http.NewRequestWithContext(ctx, req.Method, req.URL, body)
	if err != nil {
		return nil, err
	}
	if req.Body != nil && req.Length > 0 {
		r.ContentLength = req.Length
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	r.Header.Set("Accept", "application/json")
	if req.Token != "" {
		r.Header.Set("Authorization", "Bearer "+req.Token)
	}
	for name, value := range req.Header {
		r.Header.Set(name, value)
	}
	return r, nil
}

// unreached is the fault of a request that may be repeated.
func (c *Client) unreached(err error) *social.Fault {
	f := social.Fail(social.Transient, c.Name+".unreachable", "%s could not be reached.", c.Title)
	f.Source, f.Err = social.FromNetwork, sdk.Cause(err)
	return f
}

// Fault makes what the platform answered into a fault of kind. What it said
// is kept, cut and with the request's token struck out.
func (c *Client) Fault(kind social.Kind, what string, reply *Reply, token, format string, args ...any) *social.Fault {
	f := social.Fail(kind, c.Name+"."+what, format, args...)
	f.HTTPStatus = reply.Status
	f.Upstream = redact(string(reply.Body), token)
	return f
}

// Odd is the fault for an answer that explains nothing: a server error, or a
// success that cannot be read. To a commit it leaves the outcome open.
func (c *Client) Odd(commit bool, reply *Reply, token string) *social.Fault {
	if commit {
		return c.Fault(social.Ambiguous, "odd_answer", reply, token,
			"%s gave an unclear answer. The post may or may not be there.", c.Title)
	}
	return c.Fault(social.Transient, "odd_answer", reply, token, "%s has trouble answering.", c.Title)
}

func redact(text, token string) string {
	if token != "" {
		text = strings.ReplaceAll(text, token, "***")
	}
	const most = 2 << 10
	if len(text) > most {
		text = text[:most]
	}
	return strings.ToValidUTF8(text, "?")
}

// Open streams an attachment from the host. The caller closes it.
func (c *Client) Open(ctx context.Context, m social.Media) (io.ReadCloser, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL, nil)
	if err != nil {
		return nil, c.mediaFault(err)
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, c.mediaFault(err)
	}
	if res.StatusCode != http.StatusOK {
		_ = res.Body.Close()
		return nil, c.mediaFault(fmt.Errorf("media gateway: status %d", res.StatusCode))
	}
	return res.Body, nil
}

func (c *Client) mediaFault(err error) *social.Fault {
	f := social.Fail(social.Transient, c.Name+".media_unread", "An attachment could not be read.")
	f.Source, f.Err = social.FromNetwork, sdk.Cause(err) // the gateway's URL is itself a key
	return f
}

// RetryAfter reads the time to wait from a Retry-After header (seconds or a
// date), or else from reset, or else says fallback. It is at least a second.
func RetryAfter(h http.Header, reset time.Time, fallback time.Duration) time.Duration {
	wait := fallback
	if !reset.IsZero() {
		wait = time.Until(reset)
	}
	if value := h.Get("Retry-After"); value != "" {
		var seconds int
		if _, err := fmt.Sscanf(value, "%d", &seconds); err == nil {
			wait = time.Duration(seconds) * time.Second
		} else if at, err := http.ParseTime(value); err == nil {
			wait = time.Until(at)
		}
	}
	return min(max(wait, time.Second), 24*time.Hour)
}

// TooLong is the fault for a text over its limit.
func (c *Client) TooLong(actual, limit int) *social.Fault {
	return c.Violates("/content/text", "text.too_long", actual, limit,
		"The text has %d characters; %s takes at most %d.", actual, c.Title, limit)
}

// Violates is the fault for one input that breaks one rule.
func (c *Client) Violates(field, reason string, actual, limit int, format string, args ...any) *social.Fault {
	f := social.Fail(social.Invalid, c.Name+"."+strings.ReplaceAll(reason, ".", "_"), format, args...)
	f.Source = social.FromPlugin
	f.Violations = []fault.Violation{{
		Field: field, Reason: reason, Message: f.Message, Limit: float64(limit), Actual: float64(actual),
	}}
	return f
}
