package oidc

import (
	"encoding/json"
	"testing"
)

// However a provider writes it, only true and "true" are yes.
func FuzzTruth(f *testing.F) {
	for _, seed := range []string{`true`, `"true"`, `false`, `"false"`, `1`, `null`, `{}`, `"TRUE"`, `[true]`} {
		f.Add([]byte(`{"sub":"1","email":"a@b.test","email_verified":` + seed + `}`))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var c claims
		var raw struct {
			EmailVerified json.RawMessage `json:"email_verified"`
		}
		if json.Unmarshal(b, &c) != nil || json.Unmarshal(b, &raw) != nil || !c.EmailVerified {
			return
		}
		if s := string(raw.EmailVerified); s != `true` && s != `"true"` {
			var text string
			if json.Unmarshal(raw.EmailVerified, &text) != nil || text != "true" {
				t.Errorf("%s is yes", s)
			}
		}
	})
}
