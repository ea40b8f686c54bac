package openai_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/openai"
	"github.com/carillonhq/carillon/plugins/openai/openaifake"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/model/modeltest"
	"github.com/carillonhq/carillon/ports/social"
)

func open(t *testing.T) (*openai.OpenAI, *openaifake.Server) {
	t.Helper()
	s := openaifake.New()
	t.Cleanup(s.Close)
	return openai.New(openai.Options{Base: s.Base()}), s
}

func chat(text string, params map[string]any) model.RunRequest {
	return model.RunRequest{
		Call: model.Call{Tenant: "t1", Credential: model.Credential{Secrets: map[string]string{"api_key": openaifake.Key}}},
		Task: model.Chat, Model: "gpt-4.1-nano", Params: params,
		Messages: []model.Message{{Role: "system", Parts: []model.Part{{Text: "Be brief."}}}, {Role: "user", Parts: []model.Part{{Text: text}}}},
	}
}

// buy takes the commit step and returns what was made.
func buy(ctx context.Context, o *openai.OpenAI, req model.RunRequest) (events []model.Event, step model.Step, err error) {
	req.Commit, req.Attempt = true, 1
	step, err = o.Run(ctx, req, func(e model.Event) error { events = append(events, e); return nil })
	return events, step, err
}

func TestTheContract(t *testing.T) {
	d, err := sdk.Describe(openai.New(openai.Options{}))
	if err != nil || d.Model == nil || len(d.Model.Models) == 0 {
		t.Fatalf("%+v, %v", d.Model, err)
	}
	modeltest.Run(t, func(t *testing.T) modeltest.Subject {
		o, s := open(t)
		return modeltest.Subject{Vendor: o, Request: chat("hello", nil), Charges: s.Charges}
	})
}

func TestChat(t *testing.T) {
	o, s := open(t)
	events, step, err := buy(t.Context(), o, chat("hello #cached", map[string]any{"max_tokens": 50.0, "seed": 3.0}))
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for _, e := range events {
		if e.Delta != nil {
			text.WriteString(e.Delta.Text)
		}
	}
	if text.String() != "You said: hello #cached " || len(events) < 4 {
		t.Errorf("%q in %d events", text.String(), len(events))
	}
	want := map[model.Unit]int64{model.InputToken: 12, model.CachedInputToken: 8, model.OutputToken: 4}
	for u, n := range want {
		if got := step.Done.Usage.Units[u]; got != n {
			t.Errorf("%s: %d, want %d", u, got, n)
		}
	}
	m, _ := o.Manifest().Model.Model("gpt-4.1-nano")
	cost, err := m.Cost(step.Done.Usage.Units, nil, time.Now())
	if err != nil || cost.Nano != 12*100+8*25+4*400 {
		t.Errorf("cost %+v, %v", cost, err)
	}
	body := s.Last()
	if body["max_completion_tokens"] != 50.0 || body["seed"] != 3.0 || body["stream"] != true || body["safety_identifier"] != "t1" {
		t.Errorf("sent %v", body)
	}
}

func TestStructuredOutputToolsAndPictures(t *testing.T) {
	o, s := open(t)
	picture := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("png")) }))
	defer picture.Close()
	req := chat("#tool", map[string]any{
		"response_schema": map[string]any{"type": "object"},
		"tools":           []any{map[string]any{"type": "function", "function": map[string]any{"name": "find_slot", "parameters": map[string]any{"type": "object"}}}},
	})
	req.Messages[1].Parts = append(req.Messages[1].Parts, model.Part{Media: &model.Media{MIME: "image/png", URL: picture.URL}})
	events, step, err := buy(t.Context(), o, req)
	if err != nil || step.Done.Reason != "tools" {
		t.Fatalf("%+v, %v", step.Done, err)
	}
	var call struct {
		ID       string
		Function struct{ Name, Arguments string }
	}
	for _, e := range events {
		if e.Delta != nil && e.Delta.ToolCall != nil {
			if err := json.Unmarshal(e.Delta.ToolCall, &call); err != nil {
				t.Fatal(err)
			}
		}
	}
	if call.ID != "call_1" || call.Function.Name != "find_slot" || call.Function.Arguments != `{"day":"monday"}` {
		t.Errorf("%+v", call)
	}
	sent, _ := json.Marshal(s.Last())
	for _, want := range []string{`"strict":true`, `"type":"json_schema"`, `"name":"find_slot"`, `data:image/png;base64,cG5n`} {
		if !strings.Contains(string(sent), want) {
			t.Errorf("no %s in %s", want, sent)
		}
	}
}

func TestWhatAFailureProves(t *testing.T) {
	for text, tc := range map[string]struct {
		code    fault.Code
		reason  string
		unknown bool
		charged int
	}{
		"#429":    {fault.RateLimited, "openai.rate_limited", false, 0},
		"#quota":  {fault.Quota, "model.out_of_funds", false, 0},
		"#filter": {fault.Invalid, "model.filtered", false, 0},
		"#long":   {fault.Invalid, "model.too_long", false, 0},
		"#503":    {fault.Unavailable, "openai.busy", false, 0},
		"#500":    {fault.Unavailable, "openai.failed", true, 0},
		"a #drop": {fault.Unavailable, "network.lost", true, 1},
		"#error":  {fault.Unavailable, "openai.stream_failed", true, 1},
	} {
		t.Run(text, func(t *testing.T) {
			o, s := open(t)
			_, _, err := buy(t.Context(), o, chat(text, nil))
			f := fault.Of(err)
			if f == nil || f.Code != tc.code || f.Reason != tc.reason || s.Charges() != tc.charged {
				t.Fatalf("err = %v, charged %d times", err, s.Charges())
			}
			if tc.reason == "openai.rate_limited" && f.RetryAfter != 2*time.Second {
				t.Errorf("after %s", f.RetryAfter)
			}
			if unknown := ambiguous(err); unknown != tc.unknown {
				t.Errorf("unknown is %t", unknown)
			}
		})
	}
}

func TestABadKeyAndNobodyThere(t *testing.T) {
	o, s := open(t)
	req := chat("hello", nil)
	req.Call.Credential.Secrets["api_key"] = "sk-other-0123456789"
	if _, _, err := buy(t.Context(), o, req); !fault.Is(err, fault.Unauthenticated) || s.Charges() != 0 {
		t.Errorf("err = %v", err)
	}
	s.Close()
	if _, _, err := buy(t.Context(), o, chat("hello", nil)); !fault.Is(err, fault.Unavailable) || ambiguous(err) {
		t.Errorf("err = %v", err)
	}
}

func TestASlowStreamArrivesAsItComes(t *testing.T) {
	o, s := open(t)
	req := chat("#slow", nil)
	req.Commit = true
	n := 0
	_, err := o.Run(t.Context(), req, func(model.Event) error {
		if n++; n == 2 { // the stream waits here, until what came has arrived
			s.Release()
		}
		return nil
	})
	if err != nil || n < 4 {
		t.Errorf("%d events, %v", n, err)
	}
}

func TestARefusalIsDone(t *testing.T) {
	o, _ := open(t)
	_, step, err := buy(t.Context(), o, chat("#refuse", nil))
	if err != nil || step.Done.Reason != "filtered" || step.Done.Usage.Units[model.OutputToken] == 0 {
		t.Errorf("%+v, %v", step.Done, err)
	}
}

func TestOtherTasks(t *testing.T) {
	o, _ := open(t)
	req := func(task model.Task, name string, texts ...string) model.RunRequest {
		r := chat("", nil)
		r.Task, r.Model, r.Messages, r.Texts, r.Output = task, name, nil, texts, "http://127.0.0.1:1/not-needed"
		return r
	}
	events, step, err := buy(t.Context(), o, req(model.Embed, "text-embedding-3-small", "a", "b"))
	if err != nil || len(events) != 2 || events[1].Artifact.Vector[1] != 1 || step.Done.Usage.Units[model.InputToken] != 7 {
		t.Errorf("embeddings: %+v, %v", events, err)
	}
	events, step, err = buy(t.Context(), o, req(model.Image, "gpt-image-1-mini", "a bell"))
	if err != nil || len(events) != 1 || len(events[0].Artifact.Data) != 100 || events[0].Artifact.Meta["revised_prompt"] != "a better a bell" || step.Done.Usage.Units[model.Picture] != 1 {
		t.Errorf("image: %+v, %v", events, err)
	}
	events, _, err = buy(t.Context(), o, req(model.Speech, "tts-1", "ding dong"))
	if err != nil || string(events[0].Artifact.Data) != "ID3 sound" {
		t.Errorf("speech: %+v, %v", events, err)
	}
	events, _, err = buy(t.Context(), o, req(model.Moderate, "omni-moderation-latest", "#violent"))
	var v model.Verdict
	if err != nil || json.Unmarshal(events[0].Artifact.Data, &v) != nil || !v.Flagged || v.Categories["violence"] < 0.9 {
		t.Errorf("moderation: %+v, %v", v, err)
	}
}

func TestALargePictureIsPut(t *testing.T) {
	o, _ := open(t)
	var got int
	store := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got = len(b)
	}))
	defer store.Close()
	req := chat("#large", nil)
	req.Task, req.Model, req.Output = model.Image, "gpt-image-1-mini", store.URL
	events, _, err := buy(t.Context(), o, req)
	if err != nil || !events[0].Artifact.Uploaded || got != 2<<20 {
		t.Errorf("%d bytes, %v", got, err)
	}
}

// The host opens what the manifest says, so it says where the API is.
func TestTheManifestOpensTheAPI(t *testing.T) {
	for base, want := range map[string]string{
		"": "api.openai.com", "https://ai.proxy.example:8443/openai/v1/": "ai.proxy.example:8443", "http://127.0.0.1:4010/v1": "127.0.0.1:4010",
	} {
		o := openai.New(openai.FromEnv(func(string) string { return base }))
		if got := o.Manifest().Egress; !slices.Equal(got, []string{want, social.OwnServer}) {
			t.Errorf("%q opens %q", base, got)
		}
	}
}

func TestAnotherServer(t *testing.T) {
	s := openaifake.New()
	defer s.Close()
	o := openai.New(openai.Options{Base: "http://127.0.0.1:1"})
	req := chat("hello", map[string]any{"temperature": 0.5})
	req.Call.Credential.Public = map[string]string{model.BaseURL: s.Base() + "/"}
	page, err := o.Models(t.Context(), model.ModelsRequest{Call: req.Call})
	if err != nil || len(page.Models) != len(openaifake.Models) || len(page.Models[0].Prices) != 0 {
		t.Fatalf("%+v, %v", page, err)
	}
	_, step, err := buy(t.Context(), o, req)
	if err != nil || step.Done == nil || s.Last()["max_tokens"] != 1024.0 || s.Last()["safety_identifier"] != nil {
		t.Errorf("%+v, %v; sent %v", step.Done, err, s.Last())
	}
}

func TestAPriceIsNeverExceeded(t *testing.T) {
	o, _ := open(t)
	req := chat("say much", map[string]any{"max_tokens": 100.0})
	e, err := o.Estimate(t.Context(), req)
	if err != nil || e.Max.Nano < 100*400 || e.Likely.Nano > e.Max.Nano {
		t.Fatalf("%+v, %v", e, err)
	}
	req.Max = e.Max
	_, step, err := buy(t.Context(), o, req)
	if err != nil {
		t.Fatal(err)
	}
	m, _ := o.Manifest().Model.Model(req.Model)
	if cost, _ := m.Cost(step.Done.Usage.Units, nil, time.Now()); cost.Nano > e.Max.Nano {
		t.Errorf("cost %d, estimated %d", cost.Nano, e.Max.Nano)
	}
}

// ambiguous is what the port promises of an error that proves nothing.
func ambiguous(err error) bool { return errors.Is(err, model.ErrUnknown) }
