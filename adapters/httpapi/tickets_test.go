package httpapi_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/tenants"
)

// signedTicket is a ticket as a server with the key of these tests signs it.
func signedTicket(payload string) string {
	bound := sha256.Sum256([]byte("event stream"))
	mac := hmac.New(sha256.New, []byte(strings.Repeat("t", 32)))
	mac.Write(bound[:])
	mac.Write([]byte(payload))
	return base64.RawURLEncoding.EncodeToString(append(mac.Sum(nil)[:16], payload...))
}

// A ticket opens a stream for a minute, to the person it was made for, as long
// as they are signed in; a key gets none.
func TestATicketEnds(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	session := w.session(token)
	open := func(session string, ends time.Duration) (int, string) {
		ticket := signedTicket(fmt.Sprintf(`{"ten":%q,"usr":%q,"ses":%q,"exp":%d}`, tenant, owner, session, time.Now().Add(ends).Unix()))
		code, _, body := w.call("GET", "/api/v1/events/stream?ticket="+ticket, nil, "")
		return code, body
	}
	if code, body := open(session, time.Minute); code != 200 {
		t.Errorf("in time: %d %s", code, body)
	}
	if code, body := open(session, -time.Second); code != 401 || !strings.Contains(body, "stream.bad_ticket") {
		t.Errorf("too late: %d %s", code, body)
	}
	if code, body := open("ses_00000000000000000000000000", time.Minute); code != 401 || !strings.Contains(body, "session.ended") {
		t.Errorf("of another session: %d %s", code, body)
	}
	if code, _, body := w.call("GET", "/api/v1/events/stream?ticket="+signedTicket("nonsense"), nil, ""); code != 401 {
		t.Errorf("of nothing: %d %s", code, body)
	}
	key := bearer(w.keyFor(tenant, owner, "event.read").Reveal())
	if code, _, body := w.call("POST", "/api/v1/events/ticket", key, ""); code != 403 || !strings.Contains(body, "auth.session_required") {
		t.Errorf("for a key: %d %s", code, body)
	}
	key = bearer(w.keyFor(tenant, owner, "post.read").Reveal())
	for limit, want := range map[string]int{"1": 200, "100": 200, "0": 400, "101": 400, "-1": 400} {
		if code, _, body := w.call("GET", "/api/v1/posts?limit="+limit, key, ""); code != want {
			t.Errorf("a page of %s: %d %s", limit, code, body)
		}
	}
}
