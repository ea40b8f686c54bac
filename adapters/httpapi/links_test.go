package httpapi_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
)

// The links in letters lead to pages that run one script of our own and ask
// nobody else anything.
func TestLinksOfLettersLeadSomewhere(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	for path, target := range map[string]string{
		"/register": "/api/v1/auth/register", "/verify-email": "/api/v1/auth/verify", "/reset-password": "/api/v1/auth/password:reset",
		"/join":  "/api/v1/invitations:register",
		"/login": "/api/v1/auth/login",
	} {
		code, header, body := w.call("GET", path, nil, "")
		policy := header.Get("Content-Security-Policy")
		if code != 200 || !strings.Contains(body, `data-target="`+target+`"`) || !strings.Contains(body, `type="password"`) {
			t.Errorf("%s: %d %s", path, code, body)
		}
		if strings.Contains(policy, "unsafe") || !strings.Contains(policy, "script-src 'self'; connect-src 'self'") {
			t.Errorf("%s: policy %s", path, policy)
		}
		if at := regexp.MustCompile(`(src|href)="(https?:|//)|<script>|\son\w+=`).FindString(body); at != "" {
			t.Errorf("%s: %s", path, at)
		}
	}
	if code, header, body := w.call("GET", "/docs/links.js", nil, ""); code != 200 || !strings.HasPrefix(header.Get("Content-Type"), "text/javascript") || strings.Contains(body, "innerHTML") {
		t.Errorf("%d %v", code, header)
	}
}
