// Package local is the AI vendor that needs no key: it writes from templates
// and rules, on this machine, for nothing.
//
// It decides what can honestly be made without a model: captions that say what
// the brief says in an order that works on the platform, hashtags ranked from a
// lexicon and the tenant's own history, shorter and varied versions of a text,
// and cards with a quote. It makes no claim that is not in the brief, and says
// of everything that a template made it. The same request with the same seed
// gives the same answer. Start with Run, then caption.go.
package local

import (
	"context"
	"encoding/json"
	"os/exec"
	"strings"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/social"
)

// ID is the manifest's.
const ID = "dev.carillon.local"

// The models.
const (
	Writer  = "local-writer"
	Painter = "local-cards"
	Voice   = "local-espeak"
)

// Local is the plugin.
type Local struct {
	espeak   string // the program; empty: there is none
	manifest model.Manifest
}

// New makes the plugin. Speech is there if espeak-ng is installed.
func New() *Local {
	path, err := exec.LookPath("espeak-ng")
	if err != nil {
		path = ""
	}
	return &Local{espeak: path, manifest: modelsOf(path != "")}
}

var _ model.Vendor = (*Local)(nil)

const writerParams = `{"type":"object","properties":{
"operation":{"enum":["caption","hashtags","shorten","vary","rewrite"]},
"platform":{"type":"string"},"language":{"type":"string"},"tone":{"enum":["friendly","professional","playful","bold"]},
"length":{"enum":["short","medium","long"]},"max_chars":{"type":"integer","minimum":20},"count":{"type":"integer","minimum":1,"maximum":20},
"seed":{"type":"integer"},"link":{"type":"string"},
"brand":{"type":"object","properties":{"name":{"type":"string"},"audience":{"type":"string"},
"required":{"type":"array","items":{"type":"string"}},"banned":{"type":"array","items":{"type":"string"}}}},
"history":{"type":"array","items":{"type":"object","properties":{"tag":{"type":"string"},"uses":{"type":"number"},"engagement":{"type":"number"}}}},
"response_schema":{"type":"object"}}}`

const painterParams = `{"type":"object","properties":{
"size":{"type":"string","pattern":"^[0-9]{3,4}x[0-9]{3,4}$"},"template":{"enum":["quote","announcement"]},"author":{"type":"string"},
"colours":{"type":"array","items":{"type":"string","pattern":"^#[0-9a-fA-F]{6}$"},"minItems":1,"maxItems":2}}}`

// modelsOf is the manifest as a vendor, with a voice or without.
func modelsOf(voice bool) model.Manifest {
	m := model.Manifest{
		Tasks: []model.Task{model.Chat, model.Image},
		Models: []model.Model{
			{
				ID: Writer, Name: "Templates and rules (no AI)", Tasks: []model.Task{model.Chat}, Params: []byte(writerParams),
				Features: []model.Feature{model.Stream, model.JSONSchema, model.Seed}, ContextTokens: 8000, MaxOutputTokens: 2000,
			},
			{
				ID: Painter, Name: "Quote and brand cards", Tasks: []model.Task{model.Image}, Params: []byte(painterParams),
				OutputMIMEs: []string{"image/png"}, Features: []model.Feature{model.Seed},
			},
		},
	}
	if voice {
		m.Tasks = append(m.Tasks, model.Speech)
		m.Models = append(m.Models, model.Model{
			ID: Voice, Name: "eSpeak NG", Tasks: []model.Task{model.Speech}, OutputMIMEs: []string{"audio/wav"},
		})
	}
	return m
}

// Manifest says what there is on this machine.
func (l *Local) Manifest() social.Manifest {
	return social.Manifest{
		ID: ID, Name: "Local", Version: "1.0.0", Auth: social.Auth{Kind: social.AuthNone}, Model: &l.manifest,
		Summary: "Writes from templates and rules on this machine. It is not a language model, needs no key and costs nothing.",
	}
}

// Models lists the manifest's.
func (l *Local) Models(_ context.Context, req model.ModelsRequest) (model.Catalog, error) {
	return sdk.PageOf(l.manifest, req), nil
}

// Run answers in one step, which costs nothing.
func (l *Local) Run(ctx context.Context, req model.RunRequest, emit func(model.Event) error) (model.Step, error) {
	if err := ctx.Err(); err != nil {
		return model.Step{}, err
	}
	m, ok := l.manifest.Model(req.Model)
	if !ok || !m.Can(req.Task) {
		return model.Step{}, fault.New(fault.NotFound, "model.not_found", "There is no such model for this.")
	}
	switch req.Task {
	case model.Image:
		return paint(req, emit)
	case model.Speech:
		return l.speak(ctx, req, emit)
	}
	return write(req, emit)
}

// write answers Chat.
func write(req model.RunRequest, emit func(model.Event) error) (model.Step, error) {
	o, err := parse(req)
	if err != nil {
		return model.Step{}, err
	}
	texts, err := o.answer()
	if err != nil {
		return model.Step{}, err
	}
	used := model.Usage{Units: map[model.Unit]int64{model.Request: 1}}
	for i, text := range texts {
		for _, part := range strings.SplitAfter(text, "\n") {
			used.Units[model.Character] += int64(len([]rune(part)))
			if part == "" {
				continue
			}
			if err := emit(model.Event{Delta: &model.Delta{Text: part, Index: i}}); err != nil {
				return model.Step{}, err
			}
		}
	}
	return done(Writer, used), nil
}

// done labels what was made.
func done(by string, used model.Usage) model.Step {
	return model.Step{Done: &model.Done{Reason: "stop", Model: by + " (template)", Usage: used}}
}

// answer are the texts, one for each variant; one JSON document if a schema is
// asked for.
func (o order) answer() ([]string, error) {
	if o.Schema != nil {
		raw, err := json.Marshal(o.fill(o.Schema, ""))
		return []string{string(raw)}, err
	}
	switch o.Operation {
	case "hashtags":
		return []string{strings.Join(o.tags(), " ")}, nil
	case "shorten":
		return []string{o.shorten(o.brief)}, nil
	case "rewrite", "vary":
		return o.versions(func(n int) string { return o.rewrite(o.brief, n) }), nil
	}
	return o.versions(o.caption), nil
}

// versions are Count different texts, or fewer if there are no more.
func (o order) versions(make func(n int) string) (out []string) {
	seen := map[string]bool{}
	for n := 0; len(out) < max(o.Count, 1) && n < 40; n++ {
		if text := make(n); !seen[text] {
			seen[text] = true
			out = append(out, text)
		}
	}
	return out
}
