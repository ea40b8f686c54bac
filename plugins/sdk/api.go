package sdk

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"

	"github.com/carillonhq/carillon/ports/social"
)

// API is a platform's HTTP interface of the kind that most have: JSON, a bearer
// token, statuses that mean what HTTP says. For another there is HTTPClient and,
// for what cannot be undone, the function Commit.
type API struct {
	name, base string
	client     *http.Client
}

// OwnServer is the base of an API that each account has on its own server.
const OwnServer = social.OwnServer

// NewAPI is the API at base, such as "https://api.chirp.example", or OwnServer.
// The keys of its faults begin with name.
func NewAPI(name, base string) *API { return &API{name, strings.TrimRight(base, "/"), HTTPClient()} }

// Get asks for path, which may have a query, and reads the answer into out. It
// may be repeated. Errors are faults that a plugin may return as they are.
func (a *API) Get(ctx context.Context, call social.Call, path string, out any) error {
	req, err := a.request(ctx, call, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	return a.answer(res, call, false, out)
}

// Commit posts in as JSON to path, once and never again, and reads the answer
// into out: in a commit step, as the function Commit has it. An answer that
// cannot be read is Ambiguous.
func (a *API) Commit(ctx context.Context, call social.Call, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	req, err := a.request(ctx, call, http.MethodPost, path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := Commit(ctx, a.client, req) //nolint:bodyclose // answer closes it
	if err != nil {
		return err
	}
	return a.answer(res, call, true, out)
}

func (a *API) request(ctx context.Context, call social.Call, method, path string, body io.Reader) (*http.Request, error) {
	base := a.base
	if base == OwnServer {
		base = InstanceURL(call.Credential.Public["instance"])
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err == nil {
		req.Header.Set("Authorization", "Bearer "+call.Credential.AccessToken)
	}
	return req, err
}

// answer reads a success, and makes a fault of anything else.
func (a *API) answer(res *http.Response, call social.Call, commit bool, out any) error {
	if res.StatusCode < 200 || res.StatusCode > 299 {
		f := Refusal(res, commit, a.name+".refused")
		f.Upstream = unlent(f.Upstream, call.Credential)
		return f
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, MaxAnswer)).Decode(out); err != nil {
		return a.unclear(commit, err)
	}
	return nil
}

func (a *API) unclear(commit bool, why error) *social.Fault {
	f := social.Fail(unproven(commit), a.name+".unclear", "The platform gave an unclear answer.")
	f.Err = why
	return f
}

// unlent is text without what a credential lends.
func unlent(text string, c social.Credential) string {
	for _, s := range append([]string{c.AccessToken}, values(c.Secrets)...) {
		if len(s) >= 4 {
			text = strings.ReplaceAll(text, s, "***")
		}
	}
	return text
}

func values(m map[string]string) (out []string) {
	for _, v := range m {
		out = append(out, v)
	}
	return out
}
