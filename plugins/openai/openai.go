// Package openai is the AI vendor OpenAI, and every server that speaks its
// dialect: chat that streams, structured output, pictures as input, images,
// speech, embeddings and moderation.
//
// It decides what one request costs at most, so that it can refuse before
// paying, and what a failure proves. The API has no key that makes a request
// safe to repeat, so the one paid request of a commit step goes through
// sdk.Pay, and an outcome that is lost stays unknown. A credential may name
// another base_url (Ollama, vLLM): models and prices are that server's then,
// which is to say free. Start with Run, then chat.go and faults.go.
package openai

import (
	"context"
	"net/http"
	"strings"
	"time"

	api "github.com/sashabaranov/go-openai"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/social"
)

// ID is the manifest's.
const ID = "com.openai"

// Base is the API's own address.
const Base = "https://api.openai.com/v1"

// Options change what the plugin talks to.
type Options struct {
	HTTP *http.Client // of sdk.HTTPClient
	Base string       // empty: Base
}

// FromEnv reads CARILLON_OPENAI_URL, another place for the vendor's own API.
func FromEnv(getenv func(string) string) Options {
	return Options{HTTP: sdk.HTTPClient(), Base: getenv("CARILLON_OPENAI_URL")}
}

// OpenAI is the plugin.
type OpenAI struct {
	http     *http.Client
	base     string
	manifest model.Manifest
	pictures map[string]int64 // input tokens that a picture comes to at most, by model
}

// New makes the plugin.
func New(opt Options) *OpenAI {
	o := &OpenAI{http: opt.HTTP, base: strings.TrimRight(opt.Base, "/")}
	o.manifest, o.pictures = ownModels()
	if o.base == "" {
		o.base = Base
	}
	if o.http == nil {
		o.http = sdk.HTTPClient()
	}
	return o
}

var (
	_ model.Vendor    = (*OpenAI)(nil)
	_ model.Estimator = (*OpenAI)(nil)
)

const form = `{"type":"object","required":["api_key"],"properties":{
"api_key":{"type":"string","format":"password","title":"API key"},
"base_url":{"type":"string","format":"uri","title":"Address of a compatible server, such as Ollama's"},
"organization":{"type":"string","title":"Organisation"}}}`

// Manifest lists the models of models.json.
func (o *OpenAI) Manifest() social.Manifest {
	return social.Manifest{
		ID: ID, Name: "OpenAI", Version: "1.0.0", Homepage: "https://platform.openai.com",
		Summary: "OpenAI, and any server that speaks its dialect.", Auth: social.Auth{Kind: social.AuthForm, Form: []byte(form)},
		Egress: []string{sdk.InstanceHost(o.base), social.OwnServer},
		Model:  &o.manifest,
	}
}

// own reports whether call goes to the vendor itself.
func (o *OpenAI) own(call model.Call) bool { return call.Credential.Public[model.BaseURL] == "" }

// client talks to call's server through send.
func (o *OpenAI) client(call model.Call, send api.HTTPDoer) *api.Client {
	cfg := api.DefaultConfig(call.Credential.Secrets["api_key"])
	cfg.BaseURL, cfg.OrgID, cfg.HTTPClient = o.base, call.Credential.Public["organization"], send
	if !o.own(call) {
		cfg.BaseURL = strings.TrimRight(call.Credential.Public[model.BaseURL], "/")
	}
	return api.NewClientWithConfig(cfg)
}

// Models are the manifest's, or those that another server has.
func (o *OpenAI) Models(ctx context.Context, req model.ModelsRequest) (model.Catalog, error) {
	if o.own(req.Call) {
		return sdk.PageOf(o.manifest, req), nil
	}
	send := &teller{send: o.http}
	list, err := o.client(req.Call, send).ListModels(ctx)
	if err != nil {
		return model.Catalog{}, send.fault(ctx, err, false)
	}
	out := model.Catalog{Fresh: time.Minute}
	for _, m := range list.Models {
		if m.ID != "" {
			out.Models = append(out.Models, other(m.ID))
		}
	}
	return out, nil
}

// other is a model of another server, of which nothing is known.
func other(id string) model.Model {
	return model.Model{
		ID: id, Name: id, Tasks: []model.Task{model.Chat, model.Embed}, Features: []model.Feature{model.Stream, model.JSONSchema},
		ContextTokens: 4096, MaxOutputTokens: 2048,
	}
}

// model is the one that req names.
func (o *OpenAI) model(req model.RunRequest) (model.Model, error) {
	m, ok := o.manifest.Model(req.Model)
	switch {
	case !o.own(req.Call) && req.Model != "":
		return other(req.Model), nil
	case !ok || !m.Can(req.Task):
		return m, fault.New(fault.NotFound, "model.not_found", "OpenAI has no model %.80q for this.", req.Model).On("/model")
	}
	return m, nil
}

// Run checks a request and its price in one step, and buys in the next.
func (o *OpenAI) Run(ctx context.Context, req model.RunRequest, emit func(model.Event) error) (model.Step, error) {
	if err := ctx.Err(); err != nil {
		return model.Step{}, err
	}
	m, err := o.model(req)
	if err == nil {
		err = check(req)
	}
	if err == nil {
		err = storable(req)
	}
	if err != nil {
		return model.Step{}, err
	}
	if req.Max.Currency != "" {
		price, err := m.Cost(o.most(m, req), req.Params, time.Now())
		if err != nil {
			return model.Step{}, err
		}
		if price.Nano > req.Max.Nano || price.Nano > 0 && price.Currency != req.Max.Currency {
			return model.Step{}, fault.New(fault.Quota, "model.over_limit", "This may cost more than it may.")
		}
	}
	if !req.Commit {
		return model.Step{Next: &model.Next{State: []byte("1"), Commit: true, Label: "asking OpenAI"}}, nil
	}
	b := &bought{plugin: o, req: req, model: m, emit: emit}
	return b.run(ctx)
}

// Estimate is what Run will not exceed.
func (o *OpenAI) Estimate(_ context.Context, req model.RunRequest) (model.Estimate, error) {
	m, err := o.model(req)
	if err == nil {
		err = check(req)
	}
	if err != nil {
		return model.Estimate{}, err
	}
	units := o.most(m, req)
	price, err := m.Cost(units, req.Params, time.Now())
	return model.Estimate{Units: units, Max: price, Likely: model.Money{Nano: price.Nano / 3, Currency: price.Currency}}, err
}

// check refuses what no server would take.
func check(req model.RunRequest) error {
	bad := func(on, message string) error {
		return fault.New(fault.Invalid, "model.bad_request", "%s", message).On(on)
	}
	switch req.Task {
	case model.Chat:
		if len(req.Messages) == 0 {
			return bad("/messages", "A conversation has a message.")
		}
	case model.Embed:
		if len(req.Texts) == 0 || len(req.Texts) > 2048 {
			return bad("/texts", "Give 1 to 2048 texts.")
		}
	case model.Image:
		if req.Prompt() == "" {
			return bad("/texts/0", "Say what the picture shows.")
		}
	case model.Moderate:
		if len(req.Texts) != 1 {
			return bad("/texts", "Give one text.")
		}
	case model.Speech:
		if len(req.Texts) != 1 || len([]rune(req.Texts[0])) > 4096 {
			return bad("/texts", "Give one text of up to 4096 characters.")
		}
	default:
		return bad("/task", "OpenAI does not do this here.")
	}
	return nil
}

// storable refuses, before it is paid for, what may be too large for an event
// and has nowhere else to go.
func storable(req model.RunRequest) error {
	if req.Output == "" && (req.Task == model.Image || req.Task == model.Speech) {
		return fault.New(fault.Invalid, "model.no_output", "The result is too large for where it should go.").On("/output")
	}
	return nil
}
