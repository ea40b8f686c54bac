package bluesky_test

import (
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/bluesky/blueskyfake"
	"github.com/carillonhq/carillon/ports/social"
)

func TestConnect(t *testing.T) {
	b := open(t)
	got := b.signIn(t)
	for name, want := range map[string]string{"did": blueskyfake.DID, "handle": blueskyfake.Handle, "pds": b.url, "instance": strings.TrimPrefix(b.url, "http://")} {
		if got.Public[name] != want {
			t.Errorf("%s = %q, want %q", name, got.Public[name], want)
		}
	}
	if got.Secrets["refresh"] == "" || time.Until(got.ExpiresAt) < time.Hour {
		t.Errorf("refresh %t, expires %s", got.Secrets["refresh"] != "", got.ExpiresAt)
	}
}

func TestConnectAsksForTheForm(t *testing.T) {
	step, err := open(t).plugin.Connect(t.Context(), social.ConnectRequest{})
	if err != nil || step.Form == nil || step.Done != nil {
		t.Errorf("step = %+v, %v", step, err)
	}
}

func TestConnectWithASecondFactor(t *testing.T) {
	b := open(t)
	b.fake.Code = "ABCDE-12345"
	first, err := b.plugin.Connect(t.Context(), social.ConnectRequest{
		Input: map[string]string{"identifier": blueskyfake.Handle, "password": blueskyfake.Password},
	})
	if err != nil || first.Form == nil || first.State == nil {
		t.Fatalf("first = %+v, %v", first, err)
	}
	second, err := b.plugin.Connect(t.Context(), social.ConnectRequest{State: first.State, Input: map[string]string{"code": b.fake.Code}})
	if err != nil || second.Done == nil {
		t.Errorf("second = %+v, %v", second, err)
	}
}

func TestConnectWithAWrongPassword(t *testing.T) {
	_, err := open(t).plugin.Connect(t.Context(), social.ConnectRequest{
		Input: map[string]string{"identifier": blueskyfake.Handle, "password": "my-real-password"},
	})
	f := social.FaultOf(err, false)
	if f.Kind != social.Invalid || len(f.Violations) != 1 || f.Violations[0].Field != "/input/password" {
		t.Errorf("fault = %+v", f)
	}
	if strings.Contains(f.Error()+f.Upstream, "my-real-password") {
		t.Error("the fault carries the password")
	}
}

func TestRefresh(t *testing.T) {
	b := open(t)
	old := b.signIn(t)
	fresh, err := b.plugin.Refresh(t.Context(), social.Call{Credential: old})
	if err != nil {
		t.Fatal(err)
	}
	if fresh.AccessToken == old.AccessToken || fresh.Secrets["refresh"] == "" || fresh.Public["pds"] != b.url {
		t.Errorf("fresh = %v, public %v", fresh, fresh.Public)
	}
	again, err := b.plugin.Refresh(t.Context(), social.Call{Credential: old})
	if err != nil || again.AccessToken == "" {
		t.Errorf("the answer was lost, the same refresh token again: %v", err)
	}
	old.Secrets = map[string]string{"refresh": "gone"}
	_, err = b.plugin.Refresh(t.Context(), social.Call{Credential: old})
	if f := social.FaultOf(err, false); f.Kind != social.AuthRevoked {
		t.Errorf("kind = %s, want %s", f.Kind, social.AuthRevoked)
	}
}
