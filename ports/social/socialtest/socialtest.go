// Package socialtest is the contract of package social as a test suite.
//
// It holds a platform to the one promise that everything above rests on: a
// commit has one effect, and a commit whose outcome was lost can be settled by
// evidence. To show that, the suite needs a server it can hurt: a Harness is a
// platform together with the fake of its vendor. Start with Run.
package socialtest

import (
	"context"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// Trouble is one thing that can go wrong with one publishing request.
type Trouble string

// The troubles a fake must be able to cause.
const (
	DropReply       Trouble = "drop the reply after accepting"
	FailAfterAccept Trouble = "answer 5xx after accepting"
	Garble          Trouble = "answer nonsense after accepting"
	Stall           Trouble = "accept and never answer"
	ResetBefore     Trouble = "reset the connection before accepting"
	Limit           Trouble = "refuse by rate limit with a time to wait"
	Expire          Trouble = "refuse because the token expired"
)

// An Object is what the vendor holds after a publication.
type Object struct {
	ID      string // as in the receipt's Ref
	ReplyTo string // the Ref.ID it answers, or ""
	Root    string // the thread's first, where the vendor keeps one, or ""
	Text    string
	Alts    []string // one per attachment
}

// Server is the fake vendor's back door.
type Server interface {
	// Objects lists what is live, in any order.
	Objects() []Object
	// Trouble arms one trouble for the next publishing request, once.
	Trouble(Trouble)
}

// A Harness is one platform, one good account on it and its server. Each is
// fresh: nothing is live.
type Harness struct {
	Platform social.Platform
	Server   Server
	Account  social.Account
	Call     social.Call // a good credential; the suite sets Idempotency
	Image    social.Media
	// TooLong is a text over the account's limit.
	TooLong string
	// Wait lets d pass for the platform and its server. Fakes advance a clock.
	Wait func(d time.Duration)
	// Renew gives a fresh credential where Expire killed the old one for good.
	Renew func() social.Credential
	// Lasting says that the platform's tokens never expire: one that is refused
	// is gone for good.
	Lasting bool
	// Deadline bounds a commit that will never be answered. Zero means 200 ms.
	Deadline time.Duration
}

// Run holds a platform to the contract. open is called once per case. A
// platform without a recovery class is not asked to find; a commit that was
// lost there is settled by a person, who looks.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Helper()
	cases := []struct {
		name string
		test func(*testing.T, Harness)
	}{
		{"the manifest is complete and pure", manifest},
		{"preparing repeats freely", preparingRepeats},
		{"one commit is one object", oneCommit},
		{"an image arrives with its description", image},
		{"a reply hangs under its parent", thread},
		{"a text over the limit is refused by name", tooLong},
		{"nothing is found before the commit", absentBefore},
		{"an object is found after the commit", foundAfter},
		{"equal texts are told apart", equalTexts},
		{"a commit with a dead context leaves the truth open", deadContext},
		{"a bad token asks for sign-in", badToken},
		{"accounts are listed", accounts},
		{"metrics skip what they do not know", metrics},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
	for _, trouble := range []Trouble{DropReply, FailAfterAccept, Garble, Stall, ResetBefore} {
		t.Run("settled: "+string(trouble), func(t *testing.T) { settled(t, open(t), trouble) })
	}
	for trouble, kind := range map[Trouble]social.Kind{Limit: social.RateLimited, Expire: social.AuthExpired} {
		t.Run("repeatable: "+string(trouble), func(t *testing.T) {
			h := open(t)
			if trouble == Expire && h.Lasting {
				kind = social.AuthRevoked
			}
			repeatable(t, h, trouble, kind)
		})
	}
}

func (h Harness) request(key, text string) social.PublishRequest {
	call := h.Call
	call.Idempotency = key
	return social.PublishRequest{
		Call: call, Account: h.Account, Attempt: 1,
		Content: social.Content{Text: text, Languages: []string{"en"}, At: time.Now().UTC().Truncate(time.Second)},
	}
}

func (h Harness) wait(d time.Duration) {
	if h.Wait != nil && d > 0 {
		h.Wait(d)
	}
}

// lost is a context for a commit whose answer may never come.
func (h Harness) lost(t *testing.T) context.Context {
	deadline := h.Deadline
	if deadline == 0 {
		deadline = 200 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(t.Context(), deadline)
	t.Cleanup(cancel)
	return ctx
}
