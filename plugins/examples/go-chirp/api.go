package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

type post struct {
	ID    string    `json:"id"`
	URL   string    `json:"url"`
	At    time.Time `json:"created_at"`
	Likes int       `json:"likes"`
}

func (p post) receipt() *social.Receipt {
	return &social.Receipt{Ref: social.Ref{ID: p.ID, URL: p.URL}, Status: social.Live, PublishedAt: p.At}
}

// send makes the one request that must not be made twice.
func (c *Chirp) send(ctx context.Context, req social.PublishRequest, s state) (social.Step, error) {
	draft := map[string]any{"text": req.Content.Text, "marker": req.Call.Idempotency, "media": s.Media}
	if req.Content.ReplyTo != nil {
		draft["reply_to"] = req.Content.ReplyTo.ID
	}
	body, err := json.Marshal(draft)
	if err != nil {
		return social.Step{}, err
	}
	r, err := request(ctx, req.Call, http.MethodPost, "/api/posts", bytes.NewReader(body))
	if err != nil {
		return social.Step{}, err
	}
	r.Header.Set("Content-Type", "application/json")
	res, err := sdk.Commit(ctx, c.client, r)
	if err != nil {
		return social.Step{}, err
	}
	defer func() { _ = res.Body.Close() }()
	var made post
	switch {
	case res.StatusCode != http.StatusCreated:
		return social.Step{}, refused(res, req.Call, true)
	case json.NewDecoder(res.Body).Decode(&made) != nil || made.ID == "":
		return social.Step{}, social.Fail(social.Ambiguous, "chirp.odd_answer", "Chirp gave an unclear answer.")
	}
	return social.Step{Receipt: made.receipt()}, nil
}

// upload copies a picture from the host's gateway to Chirp.
func (c *Chirp) upload(ctx context.Context, call social.Call, m social.Media) (string, error) {
	get, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL, nil)
	if err != nil {
		return "", err
	}
	picture, err := c.client.Do(get)
	if err != nil {
		return "", err
	}
	defer func() { _ = picture.Body.Close() }()
	r, err := request(ctx, call, http.MethodPost, "/api/media?"+url.Values{"alt": {m.Alt}}.Encode(), picture.Body)
	if err != nil {
		return "", err
	}
	r.Header.Set("Content-Type", m.MIME)
	r.ContentLength = m.Bytes
	var made struct{ ID string }
	err = c.do(r, call, &made)
	return made.ID, err
}

// Find implements social.Finder: Chirp finds posts by the marker they carry.
func (c *Chirp) Find(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	var list struct{ Posts []post }
	err := c.read(ctx, req.Call, "/api/posts?"+url.Values{"marker": {req.Call.Idempotency}}.Encode(), &list)
	if err != nil || len(list.Posts) == 0 {
		return social.Finding{Verdict: social.Absent}, err
	}
	return social.Finding{Verdict: social.Found, Receipt: list.Posts[0].receipt()}, nil
}

// Metrics implements social.Meter.
func (c *Chirp) Metrics(ctx context.Context, req social.MetricsRequest) ([]social.Metrics, error) {
	var out []social.Metrics
	for _, ref := range req.Posts {
		var p post
		err := c.read(ctx, req.Call, "/api/posts/"+url.PathEscape(ref.ID), &p)
		if f := social.FaultOf(err, false); err != nil && f.Kind == social.NotFound {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, social.Metrics{Ref: ref, Values: map[string]float64{"likes": float64(p.Likes)}, At: time.Now()})
	}
	return out, nil
}

// Accounts implements social.Lister.
func (c *Chirp) Accounts(ctx context.Context, call social.Call) ([]social.Account, error) {
	var me struct{ ID, Handle, URL string }
	if err := c.read(ctx, call, "/api/me", &me); err != nil {
		return nil, err
	}
	return []social.Account{{ID: me.ID, Handle: me.Handle, Name: me.Handle, URL: me.URL, Type: "profile"}}, nil
}

// Connect implements social.Connector: a form, and a look whether it is true.
func (c *Chirp) Connect(ctx context.Context, req social.ConnectRequest) (social.ConnectStep, error) {
	instance, token := req.Input["instance"], req.Input["token"]
	if instance == "" || token == "" {
		return social.ConnectStep{Form: []byte(signIn)}, nil
	}
	done := social.Credential{AccessToken: token, Public: map[string]string{"instance": instance}}
	if _, err := c.Accounts(ctx, social.Call{Credential: done}); err != nil {
		return social.ConnectStep{}, err
	}
	return social.ConnectStep{Done: &done}, nil
}

func (c *Chirp) read(ctx context.Context, call social.Call, path string, into any) error {
	r, err := request(ctx, call, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return c.do(r, call, into)
}

// do makes a request that may be repeated.
func (c *Chirp) do(r *http.Request, call social.Call, into any) error {
	res, err := c.client.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		return refused(res, call, false)
	}
	return json.NewDecoder(res.Body).Decode(into)
}

func refused(res *http.Response, call social.Call, commit bool) *social.Fault {
	f := sdk.Refusal(res, commit, "chirp.refused")
	f.Upstream = strings.ReplaceAll(f.Upstream, call.Credential.AccessToken, "***")
	return f
}

func request(ctx context.Context, call social.Call, method, path string, body io.Reader) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, method, sdk.InstanceURL(call.Credential.Public["instance"])+path, body)
	if err == nil {
		r.Header.Set("Authorization", "Bearer "+call.Credential.AccessToken)
	}
	return r, err
}
