package openai

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"

	api "github.com/sashabaranov/go-openai"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/social"
)

// maxSound is the largest recording that is read, in bytes.
const maxSound = 32 << 20

func (b *bought) image(ctx context.Context, client *api.Client) error {
	n := int(max(1, whole(b.req, "n")))
	res, err := client.CreateImage(ctx, api.ImageRequest{
		Model: b.req.Model, Prompt: b.req.Prompt(), N: n, Size: word(b.req, "size"), Quality: word(b.req, "quality"), Background: word(b.req, "background"),
	})
	if err != nil {
		return err
	}
	b.made, b.reason = b.req.Model, "stop"
	b.usage.Units[model.Picture] = int64(len(res.Data))
	for i, one := range res.Data {
		a := model.Artifact{ID: strconv.Itoa(i), MIME: "image/png", SourceURL: one.URL, Meta: map[string]string{"ai": "generated"}}
		if one.RevisedPrompt != "" {
			a.Meta["revised_prompt"] = one.RevisedPrompt
		}
		if one.B64JSON != "" {
			if a.Data, err = base64.StdEncoding.DecodeString(one.B64JSON); err != nil {
				return err
			}
		}
		if err := b.hand(ctx, a); err != nil {
			return err
		}
	}
	return nil
}

func (b *bought) speech(ctx context.Context, client *api.Client) error {
	voice := word(b.req, "voice")
	if voice == "" {
		voice = "alloy"
	}
	res, err := client.CreateSpeech(ctx, api.CreateSpeechRequest{
		Model: api.SpeechModel(b.req.Model), Input: b.req.Texts[0], Voice: api.SpeechVoice(voice), ResponseFormat: api.SpeechResponseFormatMp3,
	})
	if err != nil {
		return err
	}
	defer func() { _ = res.Close() }()
	raw, err := io.ReadAll(io.LimitReader(res, maxSound+1))
	if err != nil {
		return err
	}
	if len(raw) > maxSound {
		return lostResult(nil)
	}
	b.made, b.reason = b.req.Model, "stop"
	b.usage.Units[model.Character] = int64(len([]rune(b.req.Texts[0])))
	return b.hand(ctx, model.Artifact{ID: "speech", MIME: "audio/mpeg", Data: raw, Meta: map[string]string{"ai": "generated", "voice": voice}})
}

// hand gives an artifact to the host: a large one by its gateway.
func (b *bought) hand(ctx context.Context, a model.Artifact) error {
	if len(a.Data) > model.MaxInline {
		if err := b.put(ctx, a); err != nil {
			return err
		}
		a.Data, a.Uploaded = nil, true
	}
	return b.tell(model.Event{Artifact: &a, Usage: &b.usage})
}

func (b *bought) put(ctx context.Context, a model.Artifact) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, b.req.Output, bytes.NewReader(a.Data))
	if err != nil {
		return lostResult(err)
	}
	req.Header.Set("Content-Type", a.MIME)
	res, err := b.plugin.http.Do(req)
	if err != nil {
		return lostResult(err)
	}
	_ = res.Body.Close()
	if res.StatusCode >= 300 {
		return lostResult(fmt.Errorf("the gateway answered %d", res.StatusCode))
	}
	return nil
}

// lostResult is the fault of what was paid for and could not be kept.
func lostResult(cause error) error {
	f := social.Fail(social.Ambiguous, "model.not_stored", "The result could not be stored.")
	f.Source, f.Err = social.FromPlugin, sdk.Cause(cause)
	return f
}

func (b *bought) embed(ctx context.Context, client *api.Client) error {
	res, err := client.CreateEmbeddings(ctx, api.EmbeddingRequestStrings{
		Input: b.req.Texts, Model: api.EmbeddingModel(b.req.Model), Dimensions: int(whole(b.req, "dimensions")),
	})
	if err != nil {
		return err
	}
	b.made, b.reason = string(res.Model), "stop"
	b.usage.Units[model.InputToken] = int64(res.Usage.PromptTokens)
	for _, one := range res.Data {
		if len(one.Embedding) == 0 {
			continue
		}
		if err := b.tell(model.Event{Artifact: &model.Artifact{ID: strconv.Itoa(one.Index), MIME: "application/x-vector", Vector: one.Embedding}, Usage: &b.usage}); err != nil {
			return err
		}
	}
	return nil
}

func (b *bought) moderate(ctx context.Context, client *api.Client) error {
	res, err := client.Moderations(ctx, api.ModerationRequest{Input: b.req.Texts[0], Model: b.req.Model})
	if err != nil {
		return err
	}
	b.made, b.id, b.reason = res.Model, res.ID, "stop"
	b.usage.Units[model.Request] = 1
	for i, one := range res.Results {
		v := model.Verdict{Flagged: one.Flagged}
		scores, err := json.Marshal(one.CategoryScores)
		if err == nil {
			err = json.Unmarshal(scores, &v.Categories)
		}
		if err != nil {
			return err
		}
		raw, err := json.Marshal(v)
		if err != nil {
			return err
		}
		if err := b.tell(model.Event{Artifact: &model.Artifact{ID: strconv.Itoa(i), MIME: "application/json", Data: raw}, Usage: &b.usage}); err != nil {
			return err
		}
	}
	return nil
}
