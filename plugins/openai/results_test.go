package openai_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
)

// speech asks for text to be read aloud, with its result put at output.
func speech(output string, texts ...string) model.RunRequest {
	req := chat("", nil)
	req.Task, req.Model, req.Messages, req.Texts, req.Output = model.Speech, "tts-1", nil, texts, output
	return req
}

func TestToolCallsOfSeveralChoicesStayApart(t *testing.T) {
	o, _ := open(t)
	events, _, err := buy(t.Context(), o, chat("#tool", map[string]any{
		"n": 2.0, "tools": []any{map[string]any{"type": "function", "function": map[string]any{"name": "find_slot"}}},
	}))
	if err != nil {
		t.Fatal(err)
	}
	var of []int
	for _, e := range events {
		if e.Delta == nil || e.Delta.ToolCall == nil {
			continue
		}
		if of = append(of, e.Delta.Index); !strings.Contains(string(e.Delta.ToolCall), `{\"day\":\"monday\"}`) {
			t.Errorf("choice %d: %s", e.Delta.Index, e.Delta.ToolCall)
		}
	}
	if len(of) != 2 || of[0] != 0 || of[1] != 1 {
		t.Errorf("calls of the choices %v", of)
	}
}

// What needs a place is not paid for without one.
func TestAResultHasAPlaceBeforeItIsPaidFor(t *testing.T) {
	o, s := open(t)
	picture := chat("a bell", nil)
	picture.Task, picture.Model = model.Image, "gpt-image-1-mini"
	for _, req := range []model.RunRequest{picture, speech("", "ding dong")} {
		if _, _, err := buy(t.Context(), o, req); fault.Of(err).Reason != "model.no_output" || ambiguous(err) {
			t.Errorf("%s: err = %v", req.Task, err)
		}
	}
	if s.Charges() != 0 {
		t.Errorf("charged %d times", s.Charges())
	}
}

// What was paid for and is lost is in doubt: it is not bought again.
func TestALostResultWasPaidFor(t *testing.T) {
	store := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInsufficientStorage) }))
	defer store.Close()
	picture := chat("#large", nil)
	picture.Task, picture.Model, picture.Output = model.Image, "gpt-image-1-mini", store.URL
	nowhere := picture
	nowhere.Output = "http://127.0.0.1:1"
	for name, req := range map[string]model.RunRequest{
		"the store is full": picture, "nobody is there": nowhere, "a recording over the limit": speech(store.URL, "#large"),
	} {
		t.Run(name, func(t *testing.T) {
			o, s := open(t)
			events, step, err := buy(t.Context(), o, req)
			if fault.Of(err).Reason != "model.not_stored" || !ambiguous(err) || len(events) != 0 || step.Done != nil || s.Charges() != 1 {
				t.Errorf("err = %v, %d events, charged %d times", err, len(events), s.Charges())
			}
		})
	}
}

func TestAnEstimateRefusesWhatRunWould(t *testing.T) {
	o, _ := open(t)
	for _, texts := range [][]string{nil, {"one", "two"}} {
		if _, err := o.Estimate(t.Context(), speech("", texts...)); !fault.Is(err, fault.Invalid) {
			t.Errorf("%q: err = %v", texts, err)
		}
	}
	if e, err := o.Estimate(t.Context(), speech("", "ding")); err != nil || e.Units[model.Character] != 4 {
		t.Errorf("%+v, %v", e, err) // where it goes makes no difference to what it costs
	}
}

func TestToolsAndPicturesAreInThePrice(t *testing.T) {
	o, _ := open(t)
	input := func(req model.RunRequest) int64 {
		t.Helper()
		e, err := o.Estimate(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		return e.Units[model.InputToken]
	}
	tools := []any{map[string]any{"type": "function", "function": map[string]any{"name": "find_slot", "description": strings.Repeat("when? ", 500)}}}
	raw, _ := json.Marshal(tools)
	plain := input(chat("hello", nil))
	if got := input(chat("hello", map[string]any{"tools": tools})); got < plain+int64(len(raw)) {
		t.Errorf("%d tokens with %d bytes of tools, %d without", got, len(raw), plain)
	}
	for _, m := range o.Manifest().Model.Models {
		if !m.Has(model.Vision) {
			continue
		}
		req := chat("hello", nil)
		req.Model = m.ID
		req.Messages[1].Parts = append(req.Messages[1].Parts, model.Part{Media: &model.Media{MIME: "image/png", URL: "http://127.0.0.1:1"}})
		if got := input(req); got < plain+1536 { // the least that a large one is: 1536 patches
			t.Errorf("%s: a picture comes to %d tokens", m.ID, got-plain)
		}
	}
}
