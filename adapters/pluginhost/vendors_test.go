package pluginhost_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/plugins/local"
	"github.com/carillonhq/carillon/plugins/openai"
	"github.com/carillonhq/carillon/plugins/openai/openaifake"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/model/modeltest"
)

// TestLocalKeepsTheContract does so in a process of its own, confined.
func TestLocalKeepsTheContract(t *testing.T) {
	h := host(t, "local", local.ID)
	v, err := h.Vendor(t.Context(), local.ID)
	if err != nil {
		t.Fatal(err)
	}
	brief := model.RunRequest{
		Call: model.Call{Tenant: "t1"}, Task: model.Chat, Model: local.Writer, Params: map[string]any{"platform": "x"},
		Messages: []model.Message{{Role: "user", Parts: []model.Part{{Text: "Write a post about our autumn market. It opens on Friday."}}}},
	}
	modeltest.Run(t, func(*testing.T) modeltest.Subject {
		return modeltest.Subject{Vendor: v, Request: brief, Free: true, Charges: func() int { return 0 }}
	})
	var text strings.Builder
	step, err := v.Run(t.Context(), brief, func(e model.Event) error { text.WriteString(e.Delta.Text); return nil })
	if err != nil || step.Done.Usage.Units[model.Character] == 0 || !strings.Contains(text.String(), "our autumn market") {
		t.Errorf("%q, %+v, %v", text.String(), step.Done, err)
	}
	card := model.RunRequest{Call: brief.Call, Task: model.Image, Model: local.Painter, Texts: []string{"See you on Friday"}}
	var size int
	_, err = v.Run(t.Context(), card, func(e model.Event) error { size = len(e.Artifact.Data); return nil })
	if err != nil || size < 1000 {
		t.Errorf("a card of %d bytes, %v", size, err)
	}
}

func TestOpenAIKeepsTheContract(t *testing.T) {
	ask := func(text string) model.RunRequest {
		return model.RunRequest{
			Call: model.Call{Tenant: "t1", Credential: model.Credential{Secrets: map[string]string{"api_key": openaifake.Key}}},
			Task: model.Chat, Model: "gpt-4.1-nano", Messages: []model.Message{{Role: "user", Parts: []model.Part{{Text: text}}}},
		}
	}
	open := func(t *testing.T) (pluginhost.Vendor, *openaifake.Server) {
		s := openaifake.New()
		t.Cleanup(s.Close)
		h := host(t, "openai", openai.ID, unconfined, func(_ *pluginhost.Config, spec *pluginhost.Spec) {
			spec.Env = []string{"CARILLON_OPENAI_URL=" + s.Base()}
		})
		v, err := h.Vendor(t.Context(), openai.ID)
		if err != nil {
			t.Fatal(err)
		}
		return v, s
	}
	modeltest.Run(t, func(t *testing.T) modeltest.Subject {
		v, s := open(t)
		return modeltest.Subject{Vendor: v, Request: ask("hello"), Charges: s.Charges}
	})
	for text, tc := range map[string]struct {
		code    fault.Code
		unknown bool
	}{
		"#429": {fault.RateLimited, false}, "#quota": {fault.Quota, false}, "#filter": {fault.Invalid, false}, "a #drop": {fault.Unavailable, true},
	} {
		t.Run(text, func(t *testing.T) {
			v, s := open(t)
			_, _, err := buy(t.Context(), v, ask(text))
			if !fault.Is(err, tc.code) || errors.Is(err, model.ErrUnknown) != tc.unknown || s.Charges() > 1 || strings.Contains(err.Error(), openaifake.Key) {
				t.Errorf("err = %v, charged %d times", err, s.Charges())
			}
		})
	}
}
