package openai

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"time"

	"github.com/carillonhq/carillon/ports/model"
)

// catalog are the models with their prices.
//
//go:embed models.json
var catalog []byte

// listed is a model as the file has it.
type listed struct {
	ID, Name   string
	Tasks      []model.Task
	Features   []model.Feature
	Context    int
	Output     int
	Dimensions int
	Picture    int64 // input tokens that one comes to at most
	Prices     []struct {
		Unit model.Unit
		Nano int64
		Per  int64
		When map[string]string
		From time.Time
	}
}

// ownModels is the vendor's own manifest, with what a picture comes to. A catalog that is broken is a broken
// program: without its prices nothing could be refused for its cost.
func ownModels() (out model.Manifest, pictures map[string]int64) {
	var list []listed
	d := json.NewDecoder(bytes.NewReader(catalog))
	d.DisallowUnknownFields()
	if err := d.Decode(&list); err != nil {
		panic(fmt.Sprintf("openai: models.json: %v", err))
	}
	out, pictures = model.Manifest{Tasks: []model.Task{model.Chat, model.Embed, model.Image, model.Speech, model.Moderate}, Dynamic: true}, map[string]int64{}
	for _, l := range list {
		m := model.Model{ID: l.ID, Name: l.Name, Tasks: l.Tasks, Features: l.Features, ContextTokens: l.Context, MaxOutputTokens: l.Output, Dimensions: l.Dimensions}
		for _, p := range l.Prices {
			m.Prices = append(m.Prices, model.Price{Unit: p.Unit, Amount: model.Money{Nano: p.Nano, Currency: "USD"}, Per: p.Per, When: p.When, From: p.From})
		}
		out.Models = append(out.Models, m)
		pictures[l.ID] = l.Picture
	}
	return out, pictures
}
