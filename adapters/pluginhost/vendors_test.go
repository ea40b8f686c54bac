package pluginhost_test

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/local"
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
