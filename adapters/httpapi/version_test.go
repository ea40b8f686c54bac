package httpapi

import (
	"fmt"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
)

// The version asked for comes first, then the key's, then the newest; the
// answer says which.
func TestVersion(t *testing.T) {
	route := api.Route{Method: "GET", Path: "/test/version", Action: "post.read", Handler: func(c *fiber.Ctx) error { return c.SendString("ok") }}
	addr := serve(t, testConfig(), route)
	for name, tc := range map[string]struct {
		bearer, asked, want string
		status              int
	}{
		"a person":        {"alice", "", newest(), 200},
		"a key":           {"key", "", pinned, 200},
		"a key that asks": {"key", newest(), newest(), 200},
		"no version":      {"key", "2020-01-01", newest(), 422},
		"nobody":          {"mallory", "", newest(), 401},
	} {
		header := ""
		if tc.asked != "" {
			header = "Carillon-Version: " + tc.asked + "\r\n"
		}
		res, body := raw(t, addr, fmt.Sprintf("GET /api/v1/test/version HTTP/1.1\r\nHost: h\r\nConnection: close\r\nCarillon-Tenant: %s\r\nAuthorization: Bearer %s\r\n%s\r\n", home, tc.bearer, header))
		if res.StatusCode != tc.status || res.Header.Get(headerVersion) != tc.want {
			t.Errorf("%s: %d with version %q: %s", name, res.StatusCode, res.Header.Get(headerVersion), body)
		}
	}
}
