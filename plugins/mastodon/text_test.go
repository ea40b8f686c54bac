package mastodon

import (
	"strings"
	"testing"
)

func TestLength(t *testing.T) {
	cases := map[string]struct {
		text string
		want int
	}{
		"letters":          {"héllo", 5},
		"one emoji":        {"👩‍🚀", 1},
		"a short link":     {"http://a.co", 23},
		"no link":          {"http://a.b", 10},
		"a long link":      {"see https://example.com/" + strings.Repeat("x", 200), 27},
		"somebody here":    {"@ann hi", 7},
		"somebody distant": {"@ann@example.social hi", 7},
		"two in a row":     {"@ann@a.example @bob@b.example", 9},
		"an address":       {"mail ann@example.com", 20},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := length(c.text, urlWeight); got != c.want {
				t.Errorf("length = %d, want %d", got, c.want)
			}
		})
	}
}

func TestPlain(t *testing.T) {
	cases := map[string]struct{ html, want string }{
		"paragraphs": {"<p>One</p><p>Two<br />Three</p>", "\nOne\nTwo\nThree"},
		"entities":   {"<p>a &lt; b &amp;&amp; c &quot;d&quot;</p>", "\na < b && c \"d\""},
		"a link":     {`<a href="https://x.example/y"><span class="invisible">https://</span><span>x.example/y</span></a>`, "https://x.example/y"},
		"a tag":      {`<a class="mention hashtag">#<span>tide</span></a>`, "#tide"},
		"cut short":  {"<p>One<br", "\nOne"},
		"no markup":  {"plain", "plain"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			if got := plain(c.html); got != c.want {
				t.Errorf("plain = %q, want %q", got, c.want)
			}
		})
	}
}

func TestFingerprintForgivesServers(t *testing.T) {
	same := [][2]string{
		{"One\n\nTwo", "One Two"}, {"Hi @ann@example.social!", "Hi @ann!"}, {" padded \t", "padded"}, {"soft\u200bbreak", "softbreak"},
	}
	for _, pair := range same {
		if fingerprint(pair[0]) != fingerprint(pair[1]) {
			t.Errorf("%q and %q differ", pair[0], pair[1])
		}
	}
	if fingerprint("Open until six") == fingerprint("Open until seven") {
		t.Error("different texts are alike")
	}
}

func FuzzPlain(f *testing.F) {
	for _, seed := range []string{"<p>a</p>", "<", ">", "<p", "a&lt;b", "<br/><br>", "<P CLASS=x>", "&#x110000;"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, html string) {
		if !strings.Contains(html, "<") && !strings.Contains(html, "&") && plain(html) != html {
			t.Errorf("a text without markup changed: %q", html)
		}
		if n := length(plain(html), urlWeight); n < 0 {
			t.Errorf("length = %d", n)
		}
		_ = fingerprint(html)
	})
}

func TestWhomToTrustWithKeys(t *testing.T) {
	const own = "https://github.com/mastodon/mastodon"
	cases := map[string]struct {
		version, source string
		trusted         bool
	}{
		"stock":               {"4.3.2", own, true},
		"release candidate":   {"4.4.0-rc.1", own, true},
		"nightly":             {"4.5.0-nightly.2026-10-01", own, false},
		"glitch":              {"4.3.2+glitch", "https://github.com/glitch-soc/mastodon", true},
		"hometown":            {"4.2.10+hometown-1.1.1", "https://github.com/hometown-fork/hometown", true},
		"tree of a tag":       {"4.3.2", own + "/tree/v4.3.2", true},
		"unknown fork":        {"4.3.2", "https://github.com/somebody/mastodon", false},
		"old, no source":      {"3.5.3", "", false},
		"Pleroma":             {"2.7.2 (compatible; Pleroma 2.6.0)", "https://git.pleroma.social/pleroma/pleroma", false},
		"Pleroma that boasts": {"2.7.2 (compatible; Pleroma 2.6.0)", own, false},
		"GoToSocial":          {"0.17.0+git-abc", "https://codeberg.org/superseriousbusiness/gotosocial", false},
		"GoToSocial, posing":  {"4.5.0+gotosocial-0.20.0", own, false},
		"nothing":             {"", "", false},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			got := instance{Version: c.version, SourceURL: c.source}.dedup() == "native_key"
			if got != c.trusted {
				t.Errorf("trusted = %t, want %t", got, c.trusted)
			}
		})
	}
}
