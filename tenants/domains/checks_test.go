package domains

import (
	"strings"
	"testing"
)

// Every rule of a host that is kept, by itself.
func TestWhatIsKeptIsChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		d  Domain
		ok bool
	}{
		"sound": {Domain{Host: "a.example"}, true}, "no host": {Domain{}, false}, "upper case": {Domain{Host: "A.example"}, false}, "long": {Domain{Host: strings.Repeat("a", 254)}, false},
		"canonical and not proven": {Domain{Host: "a.example", Canonical: true, State: Pending}, false}, "canonical": {Domain{Host: "a.example", Canonical: true, State: Proven}, true},
		"canonical for mail": {Domain{Host: "a.example", Canonical: true, State: Proven, Mail: true}, false},
	} {
		if err := tc.d.Check(); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	for host, want := range map[string]bool{"a.example": true, "b.a.example": true, "ba.example": false, "example": false} {
		if below(host, "a.example") != want {
			t.Errorf("%s below a.example: %v", host, !want)
		}
	}
	if below("a.example", "") || below("a.", "") {
		t.Error("something is below nothing")
	}
}
