package pluginhost_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// blab says everything that it is lent, wherever it may say something.
type blab struct{}

func (blab) Manifest() social.Manifest {
	m := good{}.Manifest()
	m.ID = "test.blab"
	m.SettingsSchema = []byte(`{"type":"object","properties":{"bot_token":{"type":"string","format":"password"},"region":{"type":"string"}}}`)
	return m
}

func (blab) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	secret := strings.Join([]string{req.Call.Credential.AccessToken, req.Call.Credential.Secrets["session"], req.Call.App["bot_token"]}, " ")
	said := fmt.Sprintf("from %s: %s", req.Call.App["region"], secret)
	switch req.Content.Text {
	case "next":
		return social.Step{Next: &social.Next{Label: said}}, nil
	case "receipt":
		return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: "1", URL: "https://x.test/" + req.Call.App["bot_token"]}, Status: social.Live, Warnings: []string{said}}}, nil
	case "request":
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://127.0.0.1:1/bot"+req.Call.App["bot_token"]+"/send", http.NoBody)
		if err == nil {
			_, err = sdk.HTTPClient().Do(r)
		}
		return social.Step{}, err
	}
	f := social.Fail(social.Invalid, "blab.said", "%s", said)
	f.Upstream, f.Err, f.Violations = said, errors.New(said), []fault.Violation{{Field: "/text", Reason: "blab.said", Message: said}}
	return social.Step{}, f
}

// What an operator set once for all tenants, and what one of them lent, is in
// nothing that anybody gets to see.
func TestNothingThatIsLentIsSaidAgain(t *testing.T) {
	t.Parallel()
	spans := tracetest.NewSpanRecorder()
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
	before := otel.GetTracerProvider()
	otel.SetTracerProvider(provider)
	t.Cleanup(func() { otel.SetTracerProvider(before) })
	p := open(t, host(t, "blab", "test.blab", func(*pluginhost.Config, *pluginhost.Spec) {}), "test.blab")
	ctx, span := provider.Tracer("test").Start(t.Context(), "delivery")
	defer span.End()
	for _, what := range []string{"next", "receipt", "request", "fault"} {
		req := request(what, false)
		req.Call.Credential.Secrets = map[string]string{"session": "session-0123456789"}
		req.Call.App = map[string]string{"bot_token": "77:bot-0123456789", "region": "europe-1"}
		step, err := p.Publish(ctx, req)
		said := fmt.Sprintf("%+v %+v %+v %v", step, step.Next, step.Receipt, err)
		var f *social.Fault
		if errors.As(err, &f) {
			said += fmt.Sprintf("%+v %v", *f, f.Err)
		}
		if strings.Contains(said, "0123456789") || what != "request" && !strings.Contains(said, "***") {
			t.Errorf("%s: %s", what, said)
		}
		if what == "fault" && !strings.Contains(said, "europe-1") {
			t.Errorf("what is no secret is struck: %s", said)
		}
	}
	noted := false
	for _, s := range spans.Ended() {
		text := fmt.Sprint(s.Name(), s.Attributes(), s.Status())
		noted = noted || strings.Contains(text, "/bot***/send")
		if strings.Contains(text, "0123456789") {
			t.Errorf("a span: %s", text)
		}
	}
	if !noted {
		t.Error("the request is in no span")
	}
}
