package pluginhost_test

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
	"github.com/carillonhq/carillon/ports/model/modeltest"
	"github.com/carillonhq/carillon/ports/social"
)

// vendor says the prompt again, for a tenth of a cent a word, at the server of
// its credential. A prompt can ask for trouble.
type vendor struct{}

func (vendor) Manifest() social.Manifest {
	return social.Manifest{
		ID: "test.vendor", Name: "Parrot", Version: "1.0.0", Auth: social.Auth{Kind: social.AuthForm, Form: []byte(`{}`)},
		Egress: []string{"{instance}"}, StateVersion: 3,
		Model: &model.Manifest{Tasks: []model.Task{model.Chat}, Models: []model.Model{{
			ID: "parrot-1", Name: "Parrot 1", Tasks: []model.Task{model.Chat}, Features: []model.Feature{model.Stream},
			Prices: []model.Price{{Unit: model.OutputToken, Per: 1, Amount: model.Money{Nano: 1e6, Currency: "USD"}}},
		}}},
	}
}

func (v vendor) Models(_ context.Context, req model.ModelsRequest) (model.Catalog, error) {
	return sdk.PageOf(*v.Manifest().Model, req), nil
}

func (v vendor) Estimate(_ context.Context, req model.RunRequest) (model.Estimate, error) {
	n := int64(len(words(req)))
	return model.Estimate{Units: map[model.Unit]int64{model.OutputToken: n}, Max: model.Money{Nano: n * 1e6, Currency: "USD"}, Likely: model.Money{Nano: n * 1e6, Currency: "USD"}}, nil
}

func (v vendor) Cancel(context.Context, model.RunRequest) (model.Cancellation, error) {
	return model.Cancellation{Stopped: true, Usage: model.Usage{Units: map[model.Unit]int64{model.OutputToken: 2}}}, nil
}

func words(req model.RunRequest) []string { return strings.Fields(req.Messages[0].Parts[0].Text) }

func (v vendor) Run(ctx context.Context, req model.RunRequest, emit func(model.Event) error) (model.Step, error) {
	if _, ok := v.Manifest().Model.Model(req.Model); !ok {
		return model.Step{}, fault.New(fault.NotFound, "parrot.no_model", "There is no such model.")
	}
	cost := int64(len(words(req))) * 1e6
	switch {
	case ctx.Err() != nil:
		return model.Step{}, ctx.Err()
	case req.Max.Currency != "" && req.Max.Nano < cost:
		return model.Step{}, fault.New(fault.Quota, "model.over_limit", "This costs more than it may.")
	case !req.Commit:
		return model.Step{Next: &model.Next{State: []byte("ready"), Commit: true, Label: "with " + req.Call.Credential.Secrets["api_key"]}}, nil
	}
	hr, err := http.NewRequestWithContext(ctx, http.MethodPost, req.Call.Credential.Public[model.BaseURL]+"/say", strings.NewReader(strings.Join(words(req), " ")))
	if err != nil {
		return model.Step{}, err
	}
	hr.Header.Set("Authorization", "Bearer "+req.Call.Credential.Secrets["api_key"])
	res, err := sdk.Pay(sdk.HTTPClient()).Do(hr)
	if err != nil {
		return model.Step{}, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return model.Step{}, sdk.Refusal(res, true, "parrot.refused")
	}
	usage := model.Usage{Units: map[model.Unit]int64{}}
	for d := json.NewDecoder(res.Body); ; {
		var word string
		if err := d.Decode(&word); errors.Is(err, io.EOF) {
			return model.Step{Done: &model.Done{Reason: "stop", Usage: usage}}, nil
		} else if err != nil {
			return model.Step{}, err
		}
		if word == "crash" {
			os.Exit(7)
		}
		usage.Units[model.OutputToken]++
		if err := emit(model.Event{Delta: &model.Delta{Text: word}, Usage: &usage}); err != nil {
			return model.Step{}, err
		}
	}
}

// aviary is the parrot's own server, which counts what it is paid for. Words of
// a prompt say how it behaves.
func aviary(t *testing.T) (url string, charged func() int) {
	var n atomic.Int64
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		for _, word := range strings.Fields(string(body)) {
			switch word {
			case "throttle":
				w.Header().Set("Retry-After", "7")
				w.WriteHeader(http.StatusTooManyRequests)
				return
			case "fail":
				w.WriteHeader(http.StatusBadGateway)
				return
			case "key":
				word = r.Header.Get("Authorization")
			case "hang":
				w.(http.Flusher).Flush()
				<-release
			case "drop":
				panic(http.ErrAbortHandler)
			}
			if n.Load() == 0 {
				n.Add(1)
			}
			_ = json.NewEncoder(w).Encode(word)
			w.(http.Flusher).Flush()
		}
	}))
	t.Cleanup(srv.Close)
	t.Cleanup(func() { close(release) })
	return srv.URL, func() int { return int(n.Load()) }
}

const vendorKey = "sk-parrot-0123456789"

func ask(t *testing.T, url, text string) model.RunRequest {
	t.Helper()
	return model.RunRequest{
		Call: model.Call{Tenant: "t1", Idempotency: t.Name(), Credential: model.Credential{
			Secrets: map[string]string{"api_key": vendorKey}, Public: map[string]string{model.BaseURL: url},
		}},
		Task: model.Chat, Model: "parrot-1", Messages: []model.Message{{Role: "user", Parts: []model.Part{{Text: text}}}},
	}
}

func openVendor(t *testing.T, with ...func(*pluginhost.Config, *pluginhost.Spec)) pluginhost.Vendor {
	t.Helper()
	h := host(t, "vendor", "test.vendor", append(with, unconfined)...)
	v, err := h.Vendor(t.Context(), "test.vendor")
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestAVendorKeepsTheContract(t *testing.T) {
	v := openVendor(t)
	modeltest.Run(t, func(t *testing.T) modeltest.Subject {
		url, charged := aviary(t)
		return modeltest.Subject{Vendor: v, Request: ask(t, url, "hello dear world"), Charges: charged}
	})
}

// buy takes both steps and returns what was said.
func buy(ctx context.Context, v model.Vendor, req model.RunRequest) (said []string, step model.Step, err error) {
	step, err = v.Run(ctx, req, func(model.Event) error { return nil })
	if err != nil {
		return nil, step, err
	}
	req.State, req.Commit, req.Attempt = step.Next.State, step.Next.Commit, 1
	step, err = v.Run(ctx, req, func(e model.Event) error {
		if e.Delta != nil {
			said = append(said, e.Delta.Text)
		}
		return nil
	})
	return said, step, err
}

func TestAStreamArrivesWithoutTheSecret(t *testing.T) {
	v := openVendor(t)
	url, _ := aviary(t)
	first, err := v.Run(t.Context(), ask(t, url, "key"), func(model.Event) error { return nil })
	if err != nil || !first.Next.Commit || strings.Contains(first.Next.Label, vendorKey) {
		t.Fatalf("%+v, %v", first.Next, err)
	}
	said, step, err := buy(t.Context(), v, ask(t, url, "the key is"))
	if err != nil || step.Done == nil || step.Done.Usage.Units[model.OutputToken] != 3 {
		t.Fatalf("%+v, %v", step.Done, err)
	}
	if got := strings.Join(said, " "); got != "the Bearer *** is" {
		t.Errorf("said %q", got)
	}
}

func TestWhatAPaidStepProves(t *testing.T) {
	v := openVendor(t)
	for name, tc := range map[string]struct {
		text    string
		url     string
		code    fault.Code
		unknown bool
	}{
		"too many":         {"throttle", "", fault.RateLimited, false},
		"a server's error": {"fail", "", fault.Unavailable, true},
		"a broken stream":  {"one drop", "", fault.Unavailable, true},
		"a fallen plugin":  {"one crash", "", fault.Unavailable, true},
		"nobody there":     {"one", "http://127.0.0.1:1", fault.Unavailable, false},
		"more than it may": {"one two", "", fault.Quota, false},
	} {
		t.Run(name, func(t *testing.T) {
			url, _ := aviary(t)
			req := ask(t, cmp.Or(tc.url, url), tc.text)
			if tc.code == fault.Quota {
				req.Max = model.Money{Nano: 1, Currency: "USD"}
			}
			_, _, err := buy(t.Context(), v, req)
			if !fault.Is(err, tc.code) || errors.Is(err, model.ErrUnknown) != tc.unknown {
				t.Errorf("err = %v", err)
			}
			if tc.code == fault.RateLimited && fault.Of(err).RetryAfter != 7*time.Second {
				t.Errorf("after %s", fault.Of(err).RetryAfter)
			}
		})
	}
}

func TestAStreamThatIsLeftAloneEnds(t *testing.T) {
	v := openVendor(t)
	url, _ := aviary(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	req := ask(t, url, "one hang two")
	req.Commit = true
	_, err := v.Run(ctx, req, func(model.Event) error { cancel(); return nil })
	if !fault.Is(err, fault.Canceled) || !errors.Is(err, model.ErrUnknown) {
		t.Errorf("err = %v", err)
	}
}

func TestAPaidStepHasAnEnd(t *testing.T) {
	v := openVendor(t, func(c *pluginhost.Config, _ *pluginhost.Spec) { c.Timeouts.Paid = 100 * time.Millisecond })
	url, _ := aviary(t)
	if _, _, err := buy(t.Context(), v, ask(t, url, "hang")); !fault.Is(err, fault.Unavailable) || !errors.Is(err, model.ErrUnknown) {
		t.Errorf("err = %v", err)
	}
}

func TestAVendorPricesAndCancels(t *testing.T) {
	v := openVendor(t)
	e, err := v.Estimate(t.Context(), ask(t, "http://127.0.0.1:1", "one two three"))
	if err != nil || e.Max.Micros() != 3000 || e.Units[model.OutputToken] != 3 {
		t.Errorf("%+v, %v", e, err)
	}
	c, err := v.Cancel(t.Context(), ask(t, "http://127.0.0.1:1", "one"))
	if err != nil || !c.Stopped || c.Usage.Units[model.OutputToken] != 2 {
		t.Errorf("%+v, %v", c, err)
	}
}

// What has no form on the wire is refused alike by every method.
func TestWhatCannotBeSentToAVendor(t *testing.T) {
	v := openVendor(t)
	req := ask(t, "http://127.0.0.1:1", "one")
	req.Params = map[string]any{"callback": func() {}}
	_, estimated := v.Estimate(t.Context(), req)
	_, canceled := v.Cancel(t.Context(), req)
	_, _, ran := buy(t.Context(), v, req)
	for _, err := range []error{estimated, canceled, ran} {
		if f := fault.Of(err); f.Code != fault.Invalid || f.Reason != "plugin.request_malformed" || errors.Is(err, model.ErrUnknown) {
			t.Errorf("err = %v", err)
		}
	}
}

func TestAVendorIsNoPlatform(t *testing.T) {
	h := host(t, "vendor", "test.vendor", unconfined)
	if _, err := h.Platform(t.Context(), "test.vendor"); !fault.Is(err, fault.NotFound) {
		t.Errorf("err = %v", err)
	}
	if got := h.List(t.Context()); len(got) != 0 {
		t.Errorf("platforms %v", got)
	}
	if got := h.Vendors(t.Context()); len(got) != 1 || len(got[0].Model.Models) != 1 || got[0].Model.Models[0].Prices[0].Amount.Nano != 1e6 {
		t.Errorf("vendors %+v", got)
	}
	g := host(t, "good", "test.good")
	if _, err := g.Vendor(t.Context(), "test.good"); !fault.Is(err, fault.NotFound) {
		t.Errorf("err = %v", err)
	}
}
