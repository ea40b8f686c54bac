package letters_test

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/tenants/letters"
)

var words = letters.Letter{
	ID: "let_1", Kind: "verify", To: "ann@example.com", Subject: "Welcome to {product}", Before: "Hello from {product}.", Label: "Go on", Link: "https://app.test/x#token=abc", After: "Bye.",
}

func TestALetterIsUnderItsHead(t *testing.T) {
	m, err := words.Under(letters.Head{
		Product: "Chimes", Support: "help@chimes.example", Logo: "https://chimes.example/logo", Accent: "#112233", FromName: "Chimes Team", From: "mail@chimes.example", ReplyTo: "re@chimes.example",
	})
	if err != nil {
		t.Fatal(err)
	}
	if m.Subject != "Welcome to Chimes" || m.From != "mail@chimes.example" || m.FromName != "Chimes Team" || m.ReplyTo != "re@chimes.example" || m.To != words.To {
		t.Errorf("%+v", m)
	}
	for _, part := range []string{m.Text, m.HTML} {
		if !strings.Contains(part, words.Link) || !strings.Contains(part, "help@chimes.example") || !strings.Contains(part, "Hello from Chimes.") {
			t.Errorf("%s", part)
		}
	}
	if !strings.Contains(m.HTML, `src="https://chimes.example/logo"`) || !strings.Contains(m.HTML, "color:#112233") {
		t.Errorf("%s", m.HTML)
	}
}

// What people typed is words: no header, no link, no markup.
func TestNamesAreOnlyWords(t *testing.T) {
	const evil = "Win\r\nBcc: eve@evil.test\r\n\r\n<a href=\"https://evil.test\">click</a> http://evil.test/x"
	m, err := words.Under(letters.Head{Product: evil, FromName: evil, Support: `"><script>1</script>@x.test`, Logo: "javascript:alert(1)", Accent: "red;background:url(https://evil.test)"})
	if err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(m.Subject+m.FromName, "\r\n<>:/@") {
		t.Errorf("%q from %q", m.Subject, m.FromName)
	}
	for _, bad := range []string{"<script>", "evil.test/x", "://evil.test", "javascript:alert", "url(https"} {
		if strings.Contains(m.HTML, bad) {
			t.Errorf("%s is in %s", bad, m.HTML)
		}
	}
	if strings.Contains(m.Text, "://evil.test") {
		t.Errorf("%s", m.Text)
	}
	if plain := words; plain.Subject == m.Subject {
		t.Error("the words are changed in place")
	}
}

func TestALetterOfNobodysBrand(t *testing.T) {
	m, err := letters.Letter{Subject: "x", Before: "{product}"}.Under(letters.Head{})
	if err != nil || m.FromName != "Carillon" || m.From != "" || !strings.HasPrefix(m.Text, "Carillon\n") {
		t.Errorf("%+v, %v", m, err)
	}
}
