package channels_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/social"
)

// A tenant hears of each sunset once, by whichever process looks.
func TestASunsetIsToldOnce(t *testing.T) {
	w := setup(t)
	w.connected(w.who)
	other := w.person() // posts to nothing
	told := func() (out []channels.SunsetData) {
		t.Helper()
		for _, e := range w.store.Events(w.who.Tenant) {
			if e.Type != channels.EventSunset {
				continue
			}
			var d channels.SunsetData
			w.must(json.Unmarshal([]byte(e.Data), &d))
			if e.Subject != string(w.who.Tenant) || d.Message == "" {
				t.Errorf("%+v", e)
			}
			d.Message = ""
			out = append(out, d)
		}
		return out
	}
	look := func() {
		t.Helper()
		w.must(w.TellSunsets(t.Context()))
		w.must(w.another().TellSunsets(t.Context()))
	}
	w.net.manifest.APIVersion, w.net.manifest.Sunset = "v2", noon.Add(social.SunsetNotice+time.Hour)
	look()
	if got := told(); got != nil {
		t.Errorf("told too early: %+v", got)
	}
	w.clock.pass(2 * time.Hour)
	look()
	w.clock.pass(48 * time.Hour)
	look()
	first := channels.SunsetData{Platform: "test.network", APIVersion: "v2", Sunset: noon.Add(social.SunsetNotice + time.Hour).Format(time.DateOnly)}
	if diff := cmp.Diff([]channels.SunsetData{first}, told()); diff != "" {
		t.Error(diff)
	}
	w.net.manifest.Sunset = w.net.manifest.Sunset.Add(-24 * time.Hour) // the platform is in a hurry
	look()
	if got := told(); len(got) != 2 || got[1].Sunset == first.Sunset {
		t.Errorf("of another day: %+v", got)
	}
	if got := w.store.Events(other.Tenant); len(got) != 0 {
		t.Errorf("a stranger was told: %+v", got)
	}
}
