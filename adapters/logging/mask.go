package logging

import (
	"regexp"
	"slices"
	"strings"
)

// hidden stands for what is not shown.
const hidden = "***"

// words make a field secret wherever in its name they are; whole are names
// that do alone.
var (
	words = []string{"authorization", "cookie", "passw", "passphrase", "secret", "token", "credential", "api_key", "apikey",
		"master_key", "private_key", "signing_key", "verifier", "dpop", "jwt"}
	whole = []string{"bearer", "code", "state", "otp", "assertion", "ticket"}
)

// secretName reports whether a field called name is secret.
func secretName(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "-", "_")
	return slices.Contains(whole, name) || slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
}

// A form is what a kind of secret looks like where no name says so: in the
// text of an error, in an address, in an object printed whole. The pattern is
// tried only on texts with one of hints in them, in lower case.
type form struct {
	hints   []string
	pattern *regexp.Regexp
	instead string
}

var forms = []form{
	// Ours, by their prefixes: API keys, webhook secrets.
	{[]string{"car_", "whsec_"}, regexp.MustCompile(`\b(car_[a-z]+_|whsec_)[A-Za-z0-9_+/=-]{8,}`), "$1" + hidden},
	// A header's value.
	{[]string{"bearer ", "basic ", "dpop "}, regexp.MustCompile(`(?i)\b(bearer|basic|dpop)\s+[A-Za-z0-9._~+/=-]{8,}`), "$1 " + hidden},
	// A JSON web token.
	{[]string{"eyj"}, regexp.MustCompile(`\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*`), hidden},
	// A password in an address.
	{[]string{"://"}, regexp.MustCompile(`(://)[^\s/@"\\]+@`), "$1" + hidden + "@"},
	// A parameter of an address or a form.
	{[]string{"="}, regexp.MustCompile(`(?i)(^|[?&;\s"])((?:[\w-]*(?:token|secret|password|assertion|verifier|api_?key)|code|state|ticket|key|sig|[\w-]*signature|x-amz-credential)=)[^\s&;"\\]+`), "${1}${2}" + hidden},
	// A field of an object that was printed whole, as JSON or as Go.
	{[]string{"authorization", "cookie", "passw", "secret", "token", "credential", "api_key", "apikey", "verifier", "jwt"},
		regexp.MustCompile(`(?i)(\b[\w-]*(?:authorization|cookie|passw|secret|token|credential|api_?key|verifier|jwt)[\w-]*\\*"?\s*[:=]\s*\[?\\*"?)[^\s"\\,;&{}\[\]]{4,}`), "${1}" + hidden},
}

// mask hides what looks like a secret in text.
func mask(text string) string {
	lower := strings.ToLower(text)
	for _, f := range forms {
		if slices.ContainsFunc(f.hints, func(h string) bool { return strings.Contains(lower, h) }) {
			text = f.pattern.ReplaceAllString(text, f.instead)
		}
	}
	return text
}
