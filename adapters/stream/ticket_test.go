package stream_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/stream"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func TestTickets(t *testing.T) {
	at := time.Now()
	issuer := stream.NewTickets(bytes.Repeat([]byte{1}, 32), func() time.Time { return at })
	want := stream.Claim{Tenant: tenants.NewID(), User: "usr_1", Session: "ses_1"}
	good := issuer.Issue(want)
	for name, tc := range map[string]struct {
		ticket string
		key    byte
		after  time.Duration
		ok     bool
	}{
		"good":             {ticket: good, key: 1, ok: true},
		"just in time":     {ticket: good, key: 1, after: 58 * time.Second, ok: true},
		"late":             {ticket: good, key: 1, after: 60 * time.Second},
		"another key":      {ticket: good, key: 2},
		"changed":          {ticket: "A" + good[1:], key: 1},
		"cut":              {ticket: strings.Split(good, ".")[0], key: 1},
		"empty":            {ticket: "", key: 1},
		"loose signature":  {ticket: good + "=", key: 1},
		"no tenant":        {ticket: issuer.Issue(stream.Claim{User: "usr_1"}), key: 1},
		"something longer": {ticket: strings.Repeat("a", 2000) + good, key: 1},
	} {
		door := stream.NewTickets(bytes.Repeat([]byte{tc.key}, 32), func() time.Time { return at.Add(tc.after) })
		got, err := door.Redeem(tc.ticket)
		if tc.ok && (err != nil || got != want) || !tc.ok && !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func FuzzRedeem(f *testing.F) {
	tickets := stream.NewTickets(make([]byte, 32), time.Now)
	f.Add(tickets.Issue(stream.Claim{Tenant: tenants.NewID()}))
	f.Add("e30.")
	f.Fuzz(func(t *testing.T, ticket string) {
		if c, err := tickets.Redeem(ticket); err == nil && !c.Tenant.Valid() {
			t.Errorf("%q opened for %+v", ticket, c)
		}
	})
}
