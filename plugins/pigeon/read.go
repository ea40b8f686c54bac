package pigeon

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/plugins/internal/web"
	"github.com/carillonhq/carillon/ports/social"
)

// listed is how many posts a question gets at most.
const listed = 100

// Find implements social.Finder: the network lists an account's posts by the
// mark they were sent with, and shows one that is known while it is there.
// Where it shows no marks, a post is known by its words.
func (p *Pigeon) Find(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	if req.Ref != nil {
		return p.visible(ctx, req)
	}
	s, err := p.resume(req.State, req.Call)
	if err != nil {
		return social.Finding{}, err
	}
	var list struct {
		Posts []post `json:"posts"`
	}
	query := url.Values{"author": {req.Account.ID}, "marker": {s.Marker}, "limit": {strconv.Itoa(listed)}}
	if err := p.get(ctx, req.Call, "/api/v1/posts?"+query.Encode(), &list); err != nil {
		return social.Finding{}, err
	}
	for _, one := range slices.Backward(list.Posts) { // the oldest wins: it is the commit
		if one.is(s.Marker, req) && !slices.Contains(req.Taken, one.ID) {
			return social.Finding{Verdict: social.Found, Receipt: one.receipt()}, nil
		}
	}
	if n := len(list.Posts); n == listed && list.Posts[n-1].CreatedAt.After(req.Since) {
		return social.Finding{Verdict: social.Unsure, After: time.Minute}, nil // it may be further back
	}
	return social.Finding{Verdict: social.Absent}, nil
}

// is reports whether a post is the one that req is about.
func (p post) is(marker string, req social.FindRequest) bool {
	if p.ClientRef != "" {
		return p.ClientRef == marker
	}
	parent := ""
	if req.Content.ReplyTo != nil {
		parent = req.Content.ReplyTo.ID
	}
	return p.Text == req.Content.Text && p.ReplyTo == parent && len(p.Media) == len(req.Content.Media) && !p.CreatedAt.Before(req.Since)
}

// visible tells how public a post is that the network has accepted. One that it
// does not know any more was taken back.
func (p *Pigeon) visible(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	var known post
	err := p.get(ctx, req.Call, "/api/v1/posts/"+url.PathEscape(req.Ref.ID), &known)
	var f *social.Fault
	switch {
	case errors.As(err, &f) && f.Kind == social.NotFound:
		return social.Finding{Verdict: social.Absent}, nil
	case err != nil:
		return social.Finding{}, err
	}
	return social.Finding{Verdict: social.Found, Receipt: known.receipt()}, nil
}

// Accounts implements social.Lister.
func (p *Pigeon) Accounts(ctx context.Context, call social.Call) ([]social.Account, error) {
	var me struct {
		ID     string        `json:"id"`
		Handle string        `json:"handle"`
		Name   string        `json:"name"`
		URL    string        `json:"url"`
		Limits social.Limits `json:"limits"`
	}
	if err := p.get(ctx, call, "/api/v1/me", &me); err != nil {
		return nil, err
	}
	return []social.Account{{ID: me.ID, Handle: "@" + me.Handle, Name: me.Name, URL: me.URL, Type: "profile", Limits: &me.Limits}}, nil
}

// Metrics implements social.Meter.
func (p *Pigeon) Metrics(ctx context.Context, req social.MetricsRequest) ([]social.Metrics, error) {
	ids := make([]string, len(req.Posts))
	refs := map[string]social.Ref{}
	for i, ref := range req.Posts {
		ids[i], refs[ref.ID] = ref.ID, ref
	}
	var list struct {
		Metrics []struct {
			ID     string             `json:"id"`
			Values map[string]float64 `json:"values"`
			At     time.Time          `json:"at"`
		} `json:"metrics"`
	}
	if err := p.get(ctx, req.Call, "/api/v1/metrics?"+url.Values{"ids": {strings.Join(ids, ",")}}.Encode(), &list); err != nil {
		return nil, err
	}
	metrics := make([]social.Metrics, 0, len(list.Metrics))
	for _, m := range list.Metrics {
		metrics = append(metrics, social.Metrics{Ref: refs[m.ID], Values: m.Values, At: m.At})
	}
	return metrics, nil
}

func (p *Pigeon) get(ctx context.Context, call social.Call, path string, into any) error {
	token := call.Credential.AccessToken
	reply, err := p.web.Do(ctx, web.Request{Method: http.MethodGet, URL: p.at(call, path), Token: token})
	switch {
	case err != nil:
		return err
	case !reply.OK():
		return p.refused(reply, social.PublishRequest{Call: call})
	case reply.Into(into) != nil:
		return p.web.Odd(false, reply, token)
	}
	return nil
}
