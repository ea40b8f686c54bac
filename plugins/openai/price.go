package openai

import (
	"encoding/json"

	"github.com/carillonhq/carillon/ports/model"
)

// most are the units that req can come to. A token is at least one byte and of
// ordinary text more than two. A picture that is read counts as the largest does
// (see models.json): patches or tiles at the vendor's limit, times the model's
// factor.
func (o *OpenAI) most(m model.Model, req model.RunRequest) map[model.Unit]int64 {
	out := map[model.Unit]int64{}
	bytes := 0
	for _, msg := range req.Messages {
		bytes += len(msg.Text()) + 32
		for _, p := range msg.Parts {
			if p.Media != nil {
				out[model.InputToken] += o.pictures[m.ID]
			}
			bytes += len(p.ToolCall) + len(p.ToolResult)
		}
	}
	for _, t := range req.Texts {
		bytes += len(t) + 8
	}
	switch req.Task {
	case model.Image:
		out[model.Picture] = max(1, whole(req, "n"))
	case model.Speech:
		out[model.Character] = int64(len([]rune(req.Texts[0])))
	case model.Embed:
		out[model.InputToken] += int64(bytes)
	case model.Chat:
		out[model.InputToken] += int64(bytes + size(req.Params["response_schema"]) + size(req.Params["tools"]))
		out[model.OutputToken] = maxTokens(m, req) * max(1, whole(req, "n"))
	}
	return out
}

// size is that of v in a request, in bytes. What has no form as JSON is refused
// before it is sent.
func size(v any) int {
	if v == nil {
		return 0
	}
	raw, _ := json.Marshal(v)
	return len(raw)
}

const defaultTokens = 1024

// maxTokens is always set: what nobody limits, nobody can pay for.
func maxTokens(m model.Model, req model.RunRequest) int64 {
	n := whole(req, "max_tokens")
	if n <= 0 {
		n = defaultTokens
	}
	if m.MaxOutputTokens > 0 {
		n = min(n, int64(m.MaxOutputTokens))
	}
	return n
}

func whole(req model.RunRequest, name string) int64 {
	f, _ := req.Params[name].(float64)
	return int64(f)
}

func word(req model.RunRequest, name string) string {
	s, _ := req.Params[name].(string)
	return s
}
