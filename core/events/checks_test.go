package events

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

func why(err error) string {
	if f := fault.Of(err); f != nil {
		return f.Reason
	}
	return ""
}

// Every rule of an endpoint that is kept, by itself.
func TestWhatIsKeptIsChecked(t *testing.T) {
	sound := Endpoint{ID: NewEndpointID(), URL: "https://example.com", State: Enabled, Secrets: make([]SealedSecret, 1)}
	for name, tc := range map[string]struct {
		change func(*Endpoint)
		want   string
	}{
		"sound": {func(*Endpoint) {}, ""}, "no name": {func(e *Endpoint) { e.ID = "whk_x" }, "webhook.malformed"},
		"no secret": {func(e *Endpoint) { e.Secrets = nil }, "webhook.malformed"}, "three secrets": {func(e *Endpoint) { e.Secrets = make([]SealedSecret, 3) }, "webhook.malformed"},
		"no address": {func(e *Endpoint) { e.URL = "" }, "webhook.bad_url"}, "a long address": {func(e *Endpoint) { e.URL = strings.Repeat("x", 2049) }, "webhook.bad_url"},
		"a long description": {func(e *Endpoint) { e.Description = strings.Repeat("x", 501) }, "webhook.bad_description"},
		"two lines":          {func(e *Endpoint) { e.Description = "a\nb" }, "webhook.bad_description"},
		"no state":           {func(e *Endpoint) { e.State = "" }, "webhook.bad_state"}, "switched off": {func(e *Endpoint) { e.State = Disabled }, ""},
		"too many types": {func(e *Endpoint) { e.Types = make([]Filter, len(Types())+1) }, "event.too_many_types"},
		"no such type":   {func(e *Endpoint) { e.Types = []Filter{"post.nothing"} }, "event.unknown_type"},
	} {
		e := sound
		tc.change(&e)
		if got := why(e.Check()); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	off := sound
	off.State = Disabled
	if !sound.Wants(PostPublished) || sound.Wants(WebhookTest) || off.Wants(PostPublished) {
		t.Error("not what is wanted is sent")
	}
	narrow := sound
	narrow.Types = []Filter{"channel.*"}
	if narrow.Wants(PostPublished) {
		t.Error("what was not chosen is sent")
	}
}

func TestWhatFiltersChoose(t *testing.T) {
	for filter, want := range map[Filter]bool{"*": true, "post.published": true, "post.*": true, "post*": false, "post.": false, "pos.*": false, "channel.*": false} {
		if got := filter.Match(PostPublished); got != want {
			t.Errorf("%s: %v", filter, got)
		}
	}
	for kind, want := range map[Type]bool{"a.b": true, "a.b.c": true, "a": false, "a.b.c.d": false, "a.": false, "A.b": false, Type("a." + strings.Repeat("b", 63)): false} {
		if got := kind.Valid(); got != want {
			t.Errorf("%q is a type: %v", kind, got)
		}
	}
}

func TestWhichDeliveriesCanBeAskedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		q    DeliveryQuery
		want string
	}{
		"as usual": {DeliveryQuery{}, ""}, "too many": {DeliveryQuery{Limit: MaxPage + 1}, "limit.out_of_range"}, "backwards": {DeliveryQuery{Limit: -1}, "limit.out_of_range"},
		"from nowhere": {DeliveryQuery{Before: "whd_x"}, "cursor.unknown"}, "from one": {DeliveryQuery{Before: DeliveryID(id.New("whd"))}, ""},
		"in no state": {DeliveryQuery{State: "x"}, "webhook.bad_state"}, "failed ones": {DeliveryQuery{State: Failed}, ""},
	} {
		if _, err := tc.q.checked(); why(err) != tc.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADamagedSecretSignsNothing(t *testing.T) {
	for _, secret := range []string{"whsec_", "whsec_%", "whsec_" + base64.StdEncoding.EncodeToString(make([]byte, 23))} {
		if _, err := Sign([]string{secret}, NewID(), time.Now(), nil); why(err) != "webhook.bad_secret" {
			t.Errorf("%q: %v", secret, err)
		}
	}
}
