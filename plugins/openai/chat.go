package openai

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	api "github.com/sashabaranov/go-openai"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/social"
)

// callKey is a tool call of one of the choices.
type callKey struct{ choice, index int }

// bought is one commit step.
type bought struct {
	plugin *OpenAI
	req    model.RunRequest
	model  model.Model
	emit   func(model.Event) error
	send   *teller
	usage  model.Usage
	calls  map[callKey]*api.ToolCall
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
	if err != nil {
		return model.Step{}, b.failed(ctx, err)
	}
	return model.Step{Done: &model.Done{Reason: b.reason, Model: b.made, VendorID: b.id, Usage: b.usage}}, nil
}

// failed is what err says of this step.
func (b *bought) failed(ctx context.Context, err error) error {
	var f *fault.Error
	var own emitError
	switch {
	case errors.As(err, &own):
		return errors.Join(model.ErrUnknown, own.error)
	case !b.send.asked && errors.As(err, &f):
		return err
	case !b.send.asked:
		return b.send.fault(ctx, err, false)
	}
	err = b.send.fault(ctx, err, true)
	var sent *social.Fault
	if errors.As(err, &sent) && sent.Kind.Refused() {
		return err
	}
	return fmt.Errorf("%w: %w", model.ErrUnknown, err)
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
	b.calls = map[callKey]*api.ToolCall{}
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
		switch {
		case choice.Delta.Refusal != "":
			b.reason = filtered
		case choice.FinishReason != "" && choice.FinishReason != api.FinishReasonNull && b.reason != filtered:
			b.reason = reasons[choice.FinishReason] // a refusal ends like any answer
		}
		for _, call := range choice.Delta.ToolCalls {
			b.collect(choice.Index, call)
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

const filtered = "filtered"

var reasons = map[api.FinishReason]string{
	api.FinishReasonStop: "stop", api.FinishReasonLength: "length", api.FinishReasonContentFilter: filtered,
	api.FinishReasonToolCalls: "tools", api.FinishReasonFunctionCall: "tools",
}

// collect puts the pieces of a choice's tool call together.
func (b *bought) collect(choice int, piece api.ToolCall) {
	at := callKey{choice: choice}
	if piece.Index != nil {
		at.index = *piece.Index
	}
	have := b.calls[at]
	if have == nil {
		b.calls[at] = &piece
		return
	}
	have.Function.Name += piece.Function.Name
	have.Function.Arguments += piece.Function.Arguments
}

// finish emits the tool calls, whole, and the usage.
func (b *bought) finish() error {
	order := func(x, y callKey) int { return cmp.Or(cmp.Compare(x.choice, y.choice), cmp.Compare(x.index, y.index)) }
	for _, at := range slices.SortedFunc(maps.Keys(b.calls), order) {
		b.calls[at].Index = nil
		raw, err := json.Marshal(b.calls[at])
		if err != nil {
			return err
		}
		if err := b.tell(model.Event{Delta: &model.Delta{ToolCall: raw, Index: at.choice}}); err != nil {
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
