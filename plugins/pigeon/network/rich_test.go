package network

import (
	"regexp"
	"strings"
	"testing"
)

var allowed = regexp.MustCompile(`<br>|</?b>|</a>|<a rel="nofollow noopener" href="https?://[^"<>]*">`)

func FuzzRich(f *testing.F) {
	for _, seed := range []string{"a\nb", `https://x/"onload=`, "#<script>", "@'\"", "http://<b>", "javascript:alert(1)", "https://\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rest := allowed.ReplaceAllString(string(rich(text)), "")
		if strings.ContainsAny(rest, `<>"'`) {
			t.Errorf("%q became %q", text, rich(text))
		}
	})
}
