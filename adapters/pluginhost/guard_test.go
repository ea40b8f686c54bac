package pluginhost

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

func TestSuspicionPassesWithTime(t *testing.T) {
	p := newPoison()
	if p.blame("", fellByItself, true) || p.blame("op", fellByItself, false) || p.blame("op", fellByItself, false) || !p.blame("op", fellByItself, true) {
		t.Error("an operation is parked by a fall alone after another, and by none beside others")
	}
	if n := p.parked(); n != 1 {
		t.Errorf("%d parked", n)
	}
	p.suspects["op"].last = time.Now().Add(-poisonMemory)
	if blame, _ := p.of("op"); blame != 0 || p.parked() != 0 {
		t.Errorf("an hour later: %d", blame)
	}
	for i := range 2 * maxSuspicious {
		p.blame(fmt.Sprint(i), fellByOthers, false)
	}
	if n := len(p.suspects); n != maxSuspicious {
		t.Errorf("remembers %d", n)
	}
	if _, ok := p.suspects[fmt.Sprint(2*maxSuspicious-1)]; !ok {
		t.Error("forgets the latest first")
	}
}

// clockwork is a set of breakers with a clock that only moves when told to.
type clockwork struct {
	*breakers
	at time.Time
}

func newClockwork() *clockwork {
	c := &clockwork{at: time.Unix(0, 0)}
	c.breakers = newBreakers(func() time.Time { return c.at })
	return c
}

var (
	unreachable = &social.Fault{Kind: social.Transient, Source: social.FromNetwork, Key: "network.refused"}
	upset       = &social.Fault{Kind: social.Ambiguous, Source: social.FromPlatform, HTTPStatus: 503}
	revoked     = &social.Fault{Kind: social.AuthRevoked, Source: social.FromPlatform, HTTPStatus: 401}
	ours        = &social.Fault{Kind: social.Transient, Source: social.FromPlugin, Key: "plugin.busy"}
)

// call makes a call of an account that ends with err, and returns what refused it.
func (c *clockwork) call(method, account, instance string, err error) *social.Fault {
	return c.callOf("tenant of "+account, method, account, instance, err)
}

func (c *clockwork) callOf(tenant, method, account, instance string, err error) *social.Fault {
	r := request{method: method, account: account, call: social.Call{Tenant: tenant}}
	ticket, refused := c.admit(r, instance)
	if refused != nil {
		return social.FaultOf(refused, false)
	}
	ticket.done(healthOf(err, true), err)
	return nil
}

func TestAPlatformThatIsDownForSeveralIsSparedCalls(t *testing.T) {
	c := newClockwork()
	for i := range 5 {
		if f := c.call("publish", fmt.Sprint("a", i%3), "", unreachable); f != nil {
			t.Fatalf("refused after %d: %+v", i, f)
		}
	}
	f := c.call("commit", "another", "", nil)
	if f == nil || f.Kind != social.Transient || f.RetryAfter != firstOpen || f.Local {
		t.Fatalf("%+v", f)
	}
	if f := c.call("find", "another", "", unreachable); f != nil {
		t.Errorf("a lookup was refused: %+v", f)
	}
	if open := c.refusing(); len(open) != 1 || open[0].Scope != OfPlatform {
		t.Errorf("open: %+v", open)
	}
	// One call tries; its failure doubles the rest, its success closes.
	c.at = c.at.Add(firstOpen)
	r := request{method: "publish", account: "a9", call: social.Call{Tenant: "t"}}
	ticket, refused := c.admit(r, "")
	if refused != nil {
		t.Fatal(refused)
	}
	if f := c.call("publish", "a1", "", nil); f == nil {
		t.Error("two calls try at once")
	}
	ticket.done(fails, unreachable)
	if f := c.call("publish", "a1", "", nil); f == nil || f.RetryAfter != 2*firstOpen {
		t.Errorf("after a failed trial: %+v", f)
	}
	c.at = c.at.Add(2 * firstOpen)
	if ticket, refused = c.admit(r, ""); refused != nil {
		t.Fatal(refused)
	}
	ticket.done(silent, ours) // proves nothing
	if f := c.call("publish", "a8", "", revoked); f != nil {
		t.Errorf("the next trial: %+v", f)
	}
	if f := c.call("publish", "a1", "", nil); f != nil || len(c.refusing()) != 0 {
		t.Errorf("after a good trial: %+v", f)
	}
}

func TestOneAccountsTroubleIsItsOwn(t *testing.T) {
	c := newClockwork()
	for range 20 {
		c.call("publish", "bad", "", upset)
	}
	if f := c.call("publish", "bad", "", nil); f == nil || f.Key != "platform.account_failing" {
		t.Errorf("%+v", f)
	}
	if f := c.call("publish", "good", "", nil); f != nil {
		t.Errorf("another account: %+v", f)
	}
	for range 20 { // nor does what says nothing of the platform
		for _, err := range []error{revoked, ours} {
			for _, account := range []string{"x", "y", "z"} {
				if f := c.call("publish", account, "", err); f != nil {
					t.Fatalf("%v opened a breaker: %+v", err, f)
				}
			}
		}
	}
}

func TestBreakersTellInstancesApartAndForget(t *testing.T) {
	c := newClockwork()
	for i := range 9 {
		c.call("publish", fmt.Sprint("a", i%3), "down.example", unreachable)
	}
	if f := c.call("publish", "a0", "up.example", nil); f != nil {
		t.Errorf("another instance: %+v", f)
	}
	if f := c.call("publish", "a0", "down.example", nil); f == nil {
		t.Error("it was called")
	}
	for i := range 20 { // failures far apart are no series
		c.at = c.at.Add(2 * failureMemory)
		if f := c.call("publish", fmt.Sprint("b", i%3), "flaky.example", unreachable); f != nil {
			t.Fatalf("%d: %+v", i, f)
		}
	}
	for i := range 2 * maxBreakers {
		c.call("publish", fmt.Sprint("many ", i), "", unreachable)
	}
	if n := len(c.open); n > maxBreakers {
		t.Errorf("remembers %d", n)
	}
}

func TestAQuotaIsLeftAloneUntilItsTime(t *testing.T) {
	limit := func(s social.QuotaScope) error {
		return &social.Fault{Kind: social.RateLimited, Source: social.FromPlatform, Scope: s, RetryAfter: time.Minute, HTTPStatus: 429}
	}
	for scope, others := range map[social.QuotaScope]bool{social.ScopeAccount: true, "": true, social.ScopeTenant: false, social.ScopeApp: false} {
		c := newClockwork()
		c.call("commit", "a", "", limit(scope))
		c.at = c.at.Add(20 * time.Second)
		if f := c.call("publish", "a", "", nil); f == nil || f.Kind != social.RateLimited || f.RetryAfter != 40*time.Second {
			t.Errorf("%q: %+v", scope, f)
		}
		if f := c.callOf("tenant of a", "publish", "b", "", nil); (f == nil) != others {
			t.Errorf("%q, another account: %+v", scope, f)
		}
		if f := c.call("metrics", "a", "", nil); f != nil {
			t.Errorf("%q, another kind of call: %+v", scope, f)
		}
		c.at = c.at.Add(40 * time.Second)
		if f := c.call("publish", "a", "", nil); f != nil {
			t.Errorf("%q, in time: %+v", scope, f)
		}
	}
}

func TestStamp(t *testing.T) {
	for name, tt := range map[string]struct {
		shape  int
		state  string
		stored string
	}{
		"shape 0 is not stamped":           {0, "x", "x"},
		"an empty state has no shape":      {7, "", ""},
		"shape 1":                          {1, "x", "\x00crn\x01x"},
		"shape 300":                        {300, "x", "\x00crn\xac\x02x"},
		"a state that looks like a stamp":  {0, "\x00crn\x05x", "\x00crn\x00\x00crn\x05x"},
		"a stamp within another's content": {2, "\x00crn\x05x", "\x00crn\x02\x00crn\x05x"},
	} {
		stored, err := stamp(tt.shape, []byte(tt.state))
		if err != nil || string(stored) != tt.stored {
			t.Errorf("%s: stored %q, %v", name, stored, err)
		}
		shape, state := unstamp(stored)
		if string(state) != tt.state || len(state) > 0 && shape != tt.shape {
			t.Errorf("%s: read %d %q", name, shape, state)
		}
	}
	if _, err := stamp(1, make([]byte, social.MaxState)); err == nil {
		t.Error("the stamp does not count")
	}
}

// FuzzStamp: whatever a plugin carries comes back as it was, with its shape.
func FuzzStamp(f *testing.F) {
	f.Add(0, []byte("x"))
	f.Add(1<<30, []byte("\x00crn\x05"))
	f.Fuzz(func(t *testing.T, shape int, state []byte) {
		if shape < 0 || shape > 1<<30 || len(state) == 0 {
			return
		}
		stored, err := stamp(shape, state)
		if err != nil {
			return
		}
		got, back := unstamp(stored)
		if got != shape || !bytes.Equal(back, state) {
			t.Errorf("%d %q became %d %q", shape, state, got, back)
		}
	})
}
