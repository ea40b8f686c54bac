package channels_test

import (
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// Servers number their accounts alike: 1 there is not 1 here. A DID is the
// same account wherever it lives.
func TestTheSameNumberOnAnotherServerIsAnotherAccount(t *testing.T) {
	for account, same := range map[string]bool{"1": false, "did:plc:1": true} {
		t.Run(account, func(t *testing.T) {
			w := setup(t)
			w.net.accounts[0].ID = account
			w.net.manifest.Quotas = []social.Quota{{ID: "publish", Scope: social.ScopeAccount, Limit: 1, Window: time.Hour}}
			old := w.connected(w.who)
			w.must(w.publish(old.ID, true))
			c, state := w.startOn(w.who, "example.net", "")
			done, err := w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "c"})
			w.must(err)
			if got := done.Channels[0] == old.ID; got != same {
				t.Errorf("the same channel: %v, want %v", got, same)
			}
			want := social.Kind("")
			if same {
				want = social.RateLimited
			}
			if err := w.publish(done.Channels[0], true); kindOf(err) != want {
				t.Errorf("its allowance: %v", err)
			}
		})
	}
}

func TestAChannelIsNotRepairedFromAnotherServer(t *testing.T) {
	w := setup(t)
	old := w.connected(w.who)
	c, state := w.startOn(w.who, "example.net", old.ID)
	_, err := w.Callback(t.Context(), c.Binding, state, map[string]string{"code": "c"})
	w.must(err)
	done, err := w.Connection(t.Context(), w.who, c.ID)
	w.must(err)
	if done.Reason != "connection.other_account" {
		t.Errorf("%+v", done)
	}
	if now, err := w.Get(t.Context(), w.who, old.ID); err != nil || now.Instance != "example.org" || now.Version != old.Version {
		t.Errorf("the channel is now %+v, %v", now, err)
	}
}
