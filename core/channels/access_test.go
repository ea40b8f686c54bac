package channels_test

import (
	"context"
	"testing"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// shut closes platforms to everybody.
type shut map[string]error

func (s shut) Closed(context.Context, tenants.ID) (map[string]error, error) { return s, nil }

// A platform that is closed to a tenant is not shown, and not signed in to:
// also not by who began before.
func TestAClosedPlatform(t *testing.T) {
	w := setup(t)
	begun, state := w.start(w.who)
	no := fault.New(fault.Quota, "platform.not_included", "No.")
	w.Access = shut{"test.network": no}
	if all, err := w.Platforms(t.Context(), w.who); err != nil || len(all) != 0 {
		t.Errorf("shown: %v, %v", all, err)
	}
	if _, err := w.Start(t.Context(), w.who, channels.StartRequest{Platform: "test.network"}); !fault.Is(err, fault.Quota) {
		t.Errorf("start: %v", err)
	}
	if _, err := w.Continue(t.Context(), w.who, begun.ID, map[string]string{"state": state, "code": "c"}); !fault.Is(err, fault.Quota) {
		t.Errorf("continue: %v", err)
	}
	w.Access = shut{"another.network": no}
	if all, err := w.Platforms(t.Context(), w.who); err != nil || len(all) != 1 {
		t.Errorf("not shown: %v, %v", all, err)
	}
}

// Settings that are secret reach the plugin and nobody else.
func TestSecretSettings(t *testing.T) {
	w := setup(t)
	w.net.manifest.Auth.OAuth2.RegisterURL = ""
	operator := tenants.Scope{Tenant: w.root, Role: tenants.Manager}
	app := channels.AppSettings{
		Platform: "test.network", Instance: "example.org", ClientID: "root", Settings: map[string]string{"region": "eu"},
		Secrets: map[string]string{channels.ClientSecretName: canary, "bot_token": canary + " bot"},
	}
	w.must(w.SetApp(t.Context(), operator, app))
	got, err := w.GetApp(t.Context(), operator, "test.network", "example.org")
	w.must(err)
	if len(got.Secrets) != 2 || got.Secrets[0] != "bot_token" || got.Sealed != nil {
		t.Errorf("%+v", got)
	}
	w.must(w.publish(w.connected(w.who).ID, false))
	if call := w.net.last(); call.App["bot_token"] != canary+" bot" || call.App["region"] != "eu" || call.App["client_id"] != "root" || call.App[channels.ClientSecretName] != "" {
		t.Errorf("the plugin got %v", call.App)
	}
	app.Secrets = map[string]string{"bot_token": ""}
	w.must(w.SetApp(t.Context(), operator, app))
	got, err = w.GetApp(t.Context(), operator, "test.network", "example.org")
	if err != nil || len(got.Secrets) != 1 || got.Secrets[0] != channels.ClientSecretName {
		t.Errorf("%+v, %v", got, err)
	}
}
