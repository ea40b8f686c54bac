package channels_test

import (
	"testing"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/social"
)

// What an operator sets reaches the next call of this process, and of another
// once it hears of it.
func TestAnAppThatIsSetCountsAtOnce(t *testing.T) {
	w := setup(t)
	ch := w.connected(w.who)
	other := w.another()
	boss := w.who
	boss.Tenant = w.root
	set := func(tone string) {
		t.Helper()
		w.must(w.SetApp(t.Context(), boss, channels.AppSettings{Platform: "test.network", Instance: "example.org", ClientID: "c", Settings: map[string]string{"tone": tone}}))
	}
	tone := func(s *channels.Service) string {
		t.Helper()
		_, err := s.Publish(t.Context(), w.who, ch.ID, social.PublishRequest{})
		w.must(err)
		return w.net.last().App["tone"]
	}
	set("low")
	if here, there := tone(w.Service), tone(other); here != "low" || there != "low" {
		t.Fatalf("%q here, %q there", here, there)
	}
	set("high")
	if got := tone(w.Service); got != "high" {
		t.Errorf("%q in the process that set it", got)
	}
	other.ForgetApps()
	if got := tone(other); got != "high" {
		t.Errorf("%q in one that heard of it", got)
	}
}
