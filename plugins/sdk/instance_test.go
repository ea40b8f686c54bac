package sdk_test

import (
	"testing"

	"github.com/carillonhq/carillon/plugins/sdk"
)

func TestInstanceURL(t *testing.T) {
	for instance, want := range map[string]string{
		"mastodon.example":          "https://mastodon.example",
		"mastodon.example/":         "https://mastodon.example",
		"https://mastodon.example/": "https://mastodon.example",
		"http://mastodon.example":   "https://mastodon.example",
		"127.0.0.1:19755":           "http://127.0.0.1:19755",
		"127.8.0.1:80":              "http://127.8.0.1:80",
		"http://127.0.0.1:19755":    "http://127.0.0.1:19755",
		"localhost:8080":            "http://localhost:8080",
		"[::1]:8080":                "http://[::1]:8080",
		"localhost.example:8080":    "https://localhost.example:8080",
		"127.0.0.1.example":         "https://127.0.0.1.example",
		"10.0.0.1:80":               "https://10.0.0.1:80",
	} {
		if got := sdk.InstanceURL(instance); got != want {
			t.Errorf("%q: %q, want %q", instance, got, want)
		}
	}
}
