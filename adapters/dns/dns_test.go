package dns

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
)

func TestHost(t *testing.T) {
	for typed, want := range map[string]string{
		"social.example.com": "social.example.com", "Social.Example.COM.": "social.example.com",
		"büro.example.com": "xn--bro-hoa.example.com", "xn--bro-hoa.example.com": "xn--bro-hoa.example.com",
		"example.com": "example.com", "shop.example.co.uk": "shop.example.co.uk", "日本.example.jp": "xn--wgv71a.example.jp",
		"": "", "example": "", "com": "", "co.uk": "", "github.io": "", "localhost": "", "127.0.0.1": "", "[::1]": "", "::1": "",
		"1.2.3": "", "0x7f.1": "", "a.0x7f": "", "https://example.com": "", "example.com/x": "", "example.com:80": "", "a b.example.com": "",
		"*.example.com": "", "_carillon.example.com": "", "a..example.com": "", "-a.example.com": "", "user@example.com": "",
		"xn--a.example.com": "", strings.Repeat("a", 64) + ".example.com": "", strings.Repeat("a.", 130) + "example.com": "",
	} {
		got, err := Names{}.Host(typed)
		if want == "" && !fault.Is(err, fault.Invalid) || want != "" && (err != nil || got != want) {
			t.Errorf("%q is %q, %v; want %q", typed, got, err, want)
		}
	}
}

func FuzzHost(f *testing.F) {
	for _, s := range []string{"social.example.com", "büro.example.com", "127.0.0.1", "xn--a.b", "co.uk"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		host, err := Names{}.Host(typed)
		if err != nil {
			return
		}
		again, err := Names{}.Host(host)
		if err != nil || again != host || strings.ContainsAny(host, " /:@\\#?%[]") {
			t.Errorf("%q became %q, and that %q, %v", typed, host, again, err)
		}
	})
}
