package pluginhost

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/model"
)

// Wherever a vendor says a secret that it was lent, nobody reads it.
func TestNothingAVendorSaysHasASecret(t *testing.T) {
	const key = "sk-parrot-0123456789"
	v := &vendor{e: &entry{secrets: newSecrets()}}
	defer v.e.secrets.lend(key)()
	delta := model.Event{Delta: &model.Delta{Text: "it is " + key + ".", ToolCall: []byte(`{"arguments":"` + key + `"}`)}}
	progress := model.Event{Progress: &model.Progress{Stage: "with " + key}}
	made := model.Event{Artifact: &model.Artifact{ID: key, SourceURL: "https://files.example/1?key=" + key, Meta: map[string]string{"seed": key}}}
	for _, e := range []model.Event{delta, progress, made} {
		v.strike(e)
	}
	done := model.Step{Done: &model.Done{Reason: key, Model: "parrot " + key, VendorID: "run-" + key}}
	next := model.Step{Next: &model.Next{Label: "asking with " + key}}
	v.discreet(done)
	v.discreet(next)
	for _, said := range []any{delta.Delta, string(delta.Delta.ToolCall), progress.Progress, made.Artifact, done.Done, next.Next} {
		raw, err := json.Marshal(said)
		if err != nil || strings.Contains(string(raw), key) || !strings.Contains(string(raw), hidden) {
			t.Errorf("%s, %v", raw, err)
		}
	}
	if !json.Valid(delta.Delta.ToolCall) {
		t.Errorf("%s is no tool call any more", delta.Delta.ToolCall)
	}
	plain := model.Event{Delta: &model.Delta{Text: "hello"}}
	if v.strike(plain); plain.Delta.ToolCall != nil {
		t.Error("a text became a tool call")
	}
}
