package openai

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"

	api "github.com/sashabaranov/go-openai"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
)

// maxPicture is the largest input picture, in bytes.
const maxPicture = 8 << 20

// bought is one commit step.
type bought struct {
	plugin *OpenAI
	req    model.RunRequest
	model  model.Model
	emit   func(model.Event) error
	send   *teller
	usage  model.Usage
	calls  map[int]*api.ToolCall
	reason string
	made   string // the model that answered
	id     string
}

func (b *bought) run(ctx context.Context) (model.Step, error) {
	b.send = &teller{send: sdk.Pay(b.plugin.http)}
	b.usage = model.Usage{Units: map[model.Unit]int64{}}
	client := b.plugin.client(b.req.Call, b.send)
	var err error
	switch b.req.Task {
	case model.Chat:
		err = b.chat(ctx, client)
	case model.Embed:
		err = b.embed(ctx, client)
	case model.Image:
		err = b.image(ctx, client)
	case model.Speech:
		err = b.speech(ctx, client)
	case model.Moderate:
		err = b.moderate(ctx, client)
	}
	var f *fault.Error
	var own emitError
	switch {
	case errors.As(err, &own):
		return model.Step{}, errors.Join(model.ErrUnknown, own.error)
	case err != nil && b.send.header == nil && errors.As(err, &f):
		return model.Step{}, err // nothing was sent yet
	case err != nil:
		return model.Step{}, b.send.fault(ctx, err, true)
	}
	return model.Step{Done: &model.Done{Reason: b.reason, Model: b.made, VendorID: b.id, Usage: b.usage}}, nil
}

// emitError is the receiver's own.
type emitError struct{ error }

func (b *bought) tell(e model.Event) error {
	if err := b.emit(e); err != nil {
		return emitError{err}
	}
	return nil
}

func (b *bought) chat(ctx context.Context, client *api.Client) error {
	req, err := b.conversation(ctx)
	if err != nil {
		return err
	}
	stream, err := client.CreateChatCompletionStream(ctx, req)
	if err != nil {
		return err
	}
	defer func() { _ = stream.Close() }()
	b.calls = map[int]*api.ToolCall{}
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) && b.reason != "" {
			return b.finish()
		}
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		}
		if err != nil {
			return err
		}
		if err := b.chunk(chunk); err != nil {
			return err
		}
	}
}

// chunk passes a piece of the answer on.
func (b *bought) chunk(c api.ChatCompletionStreamResponse) error {
	b.made, b.id = c.Model, c.ID
	b.count(c.Usage)
	for _, choice := range c.Choices {
		if choice.FinishReason != "" && choice.FinishReason != api.FinishReasonNull {
			b.reason = reasons[choice.FinishReason]
		}
		if choice.Delta.Refusal != "" {
			b.reason = "filtered"
		}
		for _, call := range choice.Delta.ToolCalls {
			b.collect(call)
		}
		if choice.Delta.Content == "" {
			continue
		}
		if err := b.tell(model.Event{Delta: &model.Delta{Text: choice.Delta.Content, Index: choice.Index}}); err != nil {
			return err
		}
	}
	return nil
}

var reasons = map[api.FinishReason]string{
	api.FinishReasonStop: "stop", api.FinishReasonLength: "length", api.FinishReasonContentFilter: "filtered",
	api.FinishReasonToolCalls: "tools", api.FinishReasonFunctionCall: "tools",
}

// collect puts the pieces of a tool call together.
func (b *bought) collect(piece api.ToolCall) {
	i := 0
	if piece.Index != nil {
		i = *piece.Index
	}
	have := b.calls[i]
	if have == nil {
		b.calls[i] = &piece
		return
	}
	have.Function.Name += piece.Function.Name
	have.Function.Arguments += piece.Function.Arguments
}

// finish emits the tool calls, whole, and the usage.
func (b *bought) finish() error {
	for _, i := range slices.Sorted(maps.Keys(b.calls)) {
		b.calls[i].Index = nil
		raw, err := json.Marshal(b.calls[i])
		if err != nil {
			return err
		}
		if err := b.tell(model.Event{Delta: &model.Delta{ToolCall: raw}}); err != nil {
			return err
		}
	}
	if len(b.usage.Units) == 0 { // a server that does not count
		b.usage.Units = map[model.Unit]int64{model.Request: 1}
	}
	return b.tell(model.Event{Usage: &b.usage})
}

// count reads usage. Cached tokens are priced apart, so they are no input.
func (b *bought) count(u *api.Usage) {
	if u == nil {
		return
	}
	cached := 0
	if u.PromptTokensDetails != nil {
		cached = min(max(0, u.PromptTokensDetails.CachedTokens), u.PromptTokens)
	}
	b.usage.Units = map[model.Unit]int64{model.InputToken: int64(u.PromptTokens - cached), model.OutputToken: int64(u.CompletionTokens)}
	if cached > 0 {
		b.usage.Units[model.CachedInputToken] = int64(cached)
	}
}

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
