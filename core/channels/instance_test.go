package channels_test

import (
	"net/netip"
	"net/url"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/core/channels"
)

func TestCleanInstance(t *testing.T) {
	for raw, want := range map[string]string{
		"mastodon.social":               "mastodon.social",
		" Mastodon.Social ":             "mastodon.social",
		"https://example.org/@ann":      "example.org",
		"@ann@example.org":              "example.org",
		"xn--nxasmq6b.example":          "xn--nxasmq6b.example",
		"example.org:8443":              "",
		"localhost":                     "",
		"localhost:3000":                "",
		"127.0.0.1":                     "",
		"127.1":                         "",
		"0x7f.1":                        "",
		"2130706433":                    "",
		"[::1]":                         "",
		"169.254.169.254":               "",
		"example.org?x":                 "",
		"example.org#x":                 "",
		"exa mple.org":                  "",
		"-bad.example":                  "",
		"bad..example":                  "",
		"example.org.":                  "",
		"":                              "",
		"bücher.example":                "",
		strings.Repeat("a.", 130) + "b": "",
	} {
		got, err := channels.CleanInstance(raw, false)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v, want %q", raw, got, err, want)
		}
	}
	for raw, ok := range map[string]bool{
		"127.0.0.1:8080": true, "localhost:8080": true, "[::1]:8080": true,
		"10.0.0.1:80": false, "localhost": false, "localhost:x": false, "169.254.169.254:80": false, "[fe80::1%eth0]:80": false,
	} {
		if _, err := channels.CleanInstance(raw, true); (err == nil) != ok {
			t.Errorf("local %q: %v", raw, err)
		}
	}
}

// Whatever a person types becomes the host of a URL and nothing else of it.
func FuzzCleanInstance(f *testing.F) {
	for _, seed := range []string{"mastodon.social", "https://a.b/c", "@x@y.z", "127.0.0.1:80", "a.b\n", "a.b@c.d:1", "1.2.3.4"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		host, err := channels.CleanInstance(raw, false)
		if err != nil {
			return
		}
		u, err := url.Parse("https://" + host + "/oauth/token")
		if err != nil || u.Host != host || u.Port() != "" || u.User != nil || u.Path != "/oauth/token" {
			t.Errorf("%q became %q", raw, host)
		}
		if _, err := netip.ParseAddr(host); err == nil {
			t.Errorf("%q is an address", host)
		}
	})
}
