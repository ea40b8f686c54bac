package channels

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// Every rule of a channel that is kept, by itself.
func TestWhatIsKeptIsChecked(t *testing.T) {
	sound := Channel{Name: "Shop", Platform: "p", Account: social.Account{ID: "a"}, State: Connected, Grant: "grt_1"}
	for name, tc := range map[string]struct {
		change func(*Channel)
		want   string
	}{
		"sound": {func(*Channel) {}, ""}, "no name": {func(c *Channel) { c.Name = " " }, "channel.unnamed"},
		"a name that is long": {func(c *Channel) { c.Name = strings.Repeat("é", MaxName+1) }, "channel.name_too_long"},
		"no platform":         {func(c *Channel) { c.Platform = "" }, "channel.anonymous"}, "no account": {func(c *Channel) { c.Account.ID = "" }, "channel.anonymous"},
		"connected by nothing":      {func(c *Channel) { c.Grant = "" }, "channel.inconsistent"},
		"connected with a problem":  {func(c *Channel) { c.Reason = "x" }, "channel.inconsistent"},
		"disconnected with a grant": {func(c *Channel) { c.State = Disconnected }, "channel.inconsistent"},
	} {
		c := sound
		tc.change(&c)
		got := ""
		if f := fault.Of(c.Check()); f != nil {
			got = f.Reason
		}
		if got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
	if err := (&App{}).Check(); err == nil {
		t.Error("an app of no platform is sound")
	}
	if c := (&Channel{State: NeedsReconnect}); c.withdraw("x", "y") {
		t.Error("what is withdrawn is withdrawn again")
	}
}

func TestNamesOfServers(t *testing.T) {
	for host, want := range map[string]bool{
		"example.com": true, "a-b.example": true, "example": false, "": false, "-a.example": false, "a-.example": false, "a..example": false, "a.example-": false,
		strings.Repeat("a", 63) + ".example": true, strings.Repeat("a", 64) + ".example": false, strings.Repeat("a.", 127) + "example": false,
		"127.1": false, "0x7f.1": false, "a_b.example": false, "A.example": false,
	} {
		if got := publicName(host); got != want {
			t.Errorf("%q is a public name: %v", host, got)
		}
	}
	for host, want := range map[string]bool{
		"localhost:80": true, "127.0.0.1:80": true, "[::1]:80": true, "example:80": false, "localhost:x": false, "10.0.0.1:80": false,
	} {
		if got := loopback(host); got != want {
			t.Errorf("%q is of this machine: %v", host, got)
		}
	}
}

func TestAnAnswerIsOfTheServerThatWasAsked(t *testing.T) {
	const asked = "https://example.org/authorize"
	for iss, want := range map[string]bool{
		"": true, "https://example.org": true, "http://example.org": false, "https://evil.example": false, "https://example.org\x7f": false, "%zz": false,
	} {
		if got := sameIssuer(iss, asked); got != want {
			t.Errorf("%q: %v", iss, got)
		}
	}
	if sameIssuer("https://example.org", "https://example.org\x7f/") || sameHash(nil, "") || sameHash(nil, "x") || sameHash(hash(""), "") || !sameHash(hash("x"), "x") {
		t.Error("nothing is the same as something")
	}
}
