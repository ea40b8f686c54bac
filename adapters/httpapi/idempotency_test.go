package httpapi

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/ports/fault"
)

func TestIdempotency(t *testing.T) {
	var runs atomic.Int32
	var fail atomic.Pointer[fault.Error]
	entered, leave := make(chan bool), make(chan bool)
	count := api.Route{Method: "POST", Path: "/test/count", Action: "post.create", Keyed: true, Idempotency: "required", Handler: func(c *fiber.Ctx) error {
		n := runs.Add(1)
		if strings.Contains(string(c.Request().Body()), "slow") {
			entered <- true
			<-leave
		}
		if f := fail.Load(); f != nil {
			return f
		}
		etag(c.UserContext(), int(n))
		return c.Status(201).JSON(map[string]int32{"run": n})
	}}
	addr := serve(t, testConfig(), count)
	send := func(key, body string) string {
		headers := ""
		if key != "" {
			headers = "Idempotency-Key: " + key + "\r\n"
		}
		res, answer := raw(t, addr, fmt.Sprintf("POST /api/v1/test/count HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer key\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s", headers, len(body), body))
		return fmt.Sprintf("%d %s %s %s", res.StatusCode, res.Header.Get(headerReplayed), res.Header.Get("ETag"), answer)
	}
	want := func(got string, parts ...string) {
		t.Helper()
		for _, p := range parts {
			if !strings.Contains(got, p) {
				t.Errorf("%s, want %q", got, p)
			}
		}
	}
	want(send("", `{}`), "422", "idempotency.key_required")
	want(send("a b", `{}`), "400", "/header/Idempotency-Key")
	want(send("k1", `{}`), `201  "v1" {"run":1}`)
	want(send("k1", `{}`), `201 true "v1" {"run":1}`)
	want(send("k1", `{"x":1}`), "422", "idempotency.mismatch")
	want(send("k2", `{}`), `{"run":2}`)

	fail.Store(fault.New(fault.Unavailable, "x.down", "Down."))
	want(send("k3", `{}`), "503")
	fail.Store(fault.New(fault.RateLimited, "x.much", "Much."))
	want(send("k3", `{}`), "429")
	fail.Store(fault.New(fault.Conflict, "x.clash", "Clash."))
	want(send("k3", `{}`), "409  ")
	fail.Store(nil)
	want(send("k3", `{}`), "409 true", "x.clash") // refusals are kept, outages are not

	first := make(chan string)
	go func() { first <- send("k4", `{"slow":1}`) }()
	<-entered
	want(send("k4", `{"slow":1}`), "409", "idempotency.in_progress")
	leave <- true
	want(<-first, "201")
}
