package openai

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"

	api "github.com/sashabaranov/go-openai"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
)

// maxPicture is the largest input picture, in bytes.
const maxPicture = 8 << 20

func (b *bought) conversation(ctx context.Context) (api.ChatCompletionRequest, error) {
	out := api.ChatCompletionRequest{
		Model: b.req.Model, N: int(whole(b.req, "n")), Stream: true, StreamOptions: &api.StreamOptions{IncludeUsage: true},
		ReasoningEffort: word(b.req, "reasoning_effort"), SafetyIdentifier: b.req.Call.Tenant,
	}
	tokens := int(maxTokens(b.model, b.req))
	if b.plugin.own(b.req.Call) {
		out.MaxCompletionTokens = tokens
	} else {
		out.MaxTokens, out.SafetyIdentifier = tokens, ""
	}
	if t, ok := b.req.Params["temperature"].(float64); ok && (b.model.Has(model.Seed) || !b.plugin.own(b.req.Call)) {
		out.Temperature = float32(t)
	}
	if _, ok := b.req.Params["seed"].(float64); ok && b.model.Has(model.Seed) {
		seed := int(whole(b.req, "seed"))
		out.Seed = &seed
	}
	if schema, ok := b.req.Params["response_schema"].(map[string]any); ok {
		raw, err := json.Marshal(schema)
		if err != nil {
			return out, err
		}
		out.ResponseFormat = &api.ChatCompletionResponseFormat{
			Type:       api.ChatCompletionResponseFormatTypeJSONSchema,
			JSONSchema: &api.ChatCompletionResponseFormatJSONSchema{Name: "answer", Strict: true, Schema: json.RawMessage(raw)},
		}
	}
	if err := into(b.req.Params["tools"], &out.Tools); err != nil {
		return out, err
	}
	for _, m := range b.req.Messages {
		msg, err := b.message(ctx, m)
		if err != nil {
			return out, err
		}
		out.Messages = append(out.Messages, msg)
	}
	return out, nil
}

func into(v, out any) error {
	if v == nil {
		return nil
	}
	raw, err := json.Marshal(v)
	if err == nil {
		err = json.Unmarshal(raw, out)
	}
	if err != nil {
		return fault.New(fault.Invalid, "model.bad_params", "The tools are not what this vendor takes.").On("/params/tools")
	}
	return nil
}

func (b *bought) message(ctx context.Context, m model.Message) (api.ChatCompletionMessage, error) {
	out := api.ChatCompletionMessage{Role: m.Role}
	for _, p := range m.Parts {
		switch {
		case p.Media != nil:
			url, err := b.inline(ctx, *p.Media)
			if err != nil {
				return out, err
			}
			out.MultiContent = append(out.MultiContent, api.ChatMessagePart{Type: api.ChatMessagePartTypeImageURL, ImageURL: &api.ChatMessageImageURL{URL: url}})
		case len(p.ToolCall) > 0:
			var call api.ToolCall
			if err := json.Unmarshal(p.ToolCall, &call); err != nil {
				return out, fault.New(fault.Invalid, "model.bad_tool_call", "A tool call is not what this vendor made.").On("/messages")
			}
			out.ToolCalls = append(out.ToolCalls, call)
		case len(p.ToolResult) > 0:
			var result struct {
				ID      string `json:"tool_call_id"`
				Content string `json:"content"`
			}
			if json.Unmarshal(p.ToolResult, &result) != nil || result.ID == "" {
				return out, fault.New(fault.Invalid, "model.bad_tool_result", "A tool's result says tool_call_id and content.").On("/messages")
			}
			out.ToolCallID, out.Content = result.ID, result.Content
		default:
			out.MultiContent = append(out.MultiContent, api.ChatMessagePart{Type: api.ChatMessagePartTypeText, Text: p.Text})
		}
	}
	if len(out.MultiContent) == 1 && out.MultiContent[0].Text != "" { // the shape that every server takes
		out.Content, out.MultiContent = out.MultiContent[0].Text, nil
	}
	return out, nil
}

// inline fetches a picture from the host's gateway, which the vendor cannot.
func (b *bought) inline(ctx context.Context, m model.Media) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL, nil)
	if err != nil {
		return "", fault.New(fault.Invalid, "model.bad_media", "A picture cannot be read.").Because(err)
	}
	res, err := b.plugin.http.Do(req)
	if err != nil {
		return "", fault.New(fault.Unavailable, "model.media_unread", "A picture could not be read.").Because(err)
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res.Body, maxPicture+1))
	if err != nil || res.StatusCode != http.StatusOK || len(raw) > maxPicture {
		return "", fault.New(fault.Invalid, "model.bad_media", "A picture cannot be read, or is over 8 MiB.").Because(err)
	}
	return "data:" + m.MIME + ";base64," + base64.StdEncoding.EncodeToString(raw), nil
}
