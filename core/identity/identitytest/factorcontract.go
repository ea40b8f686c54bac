package identitytest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// person adds a user and returns their name.
func (c contract) person(t *testing.T) tenants.UserID {
	t.Helper()
	u := newUser()
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddUser(ctx, u, "hash") })
	return u.ID
}

// read is update for one answer.
func read[T any](t *testing.T, c contract, fn func(context.Context, identity.Tx) (T, error)) (v T, err error) {
	t.Helper()
	err = c.store.View(t.Context(), func(tx identity.Tx) error {
		v, err = fn(t.Context(), tx)
		return err
	})
	return v, err
}

func (c contract) app(t *testing.T, user tenants.UserID, confirmed bool) (*identity.TOTP, error) {
	t.Helper()
	return read(t, c, func(ctx context.Context, tx identity.Tx) (*identity.TOTP, error) {
		return tx.TOTP(ctx, user, confirmed)
	})
}

func (c contract) apps(t *testing.T) {
	ann, bob := c.person(t), c.person(t)
	waits := &identity.TOTP{ID: id.New("fac"), User: ann, Sealed: []byte("sealed"), CreatedAt: Noon}
	counts := &identity.TOTP{ID: id.New("fac"), User: ann, Sealed: []byte("other"), CreatedAt: Noon, ConfirmedAt: Noon, UsedAt: Noon, Step: 7}
	for _, v := range []*identity.TOTP{waits, counts, counts} {
		c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.SaveTOTP(ctx, v) })
	}
	counts.Step, counts.UsedAt = 8, Noon.Add(time.Second)
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.SaveTOTP(ctx, counts) })
	for confirmed, wanted := range map[bool]*identity.TOTP{false: waits, true: counts} {
		got, err := c.app(t, ann, confirmed)
		if diff := cmp.Diff(wanted, got); diff != "" || err != nil {
			t.Errorf("confirmed %v: %v\n%s", confirmed, err, diff)
		}
	}
	_, err := c.app(t, bob, true)
	want(t, "another person's", err, fault.NotFound)
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		return tx.Sweep(ctx, Noon.Add(identity.EnrolTTL), Noon)
	})
	_, err = c.app(t, ann, false)
	want(t, "one that waited too long", err, fault.NotFound)
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.DropTOTP(ctx, ann, true) })
	_, err = c.app(t, ann, true)
	want(t, "one that was dropped", err, fault.NotFound)
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.DropTOTP(ctx, ann, true) })
}

func (c contract) recovery(t *testing.T) {
	ann, bob := c.person(t), c.person(t)
	set := func(user tenants.UserID, codes ...identity.Hash) {
		t.Helper()
		c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.SetRecoveryCodes(ctx, user, codes) })
	}
	take := func(user tenants.UserID, code string) error {
		return c.try(t, func(ctx context.Context, tx identity.Tx) error { return tx.TakeRecoveryCode(ctx, user, hashOf(code)) })
	}
	left := func(user tenants.UserID) int {
		n, err := read(t, c, func(ctx context.Context, tx identity.Tx) (int, error) { return tx.RecoveryCodes(ctx, user) })
		if err != nil {
			t.Error(err)
		}
		return n
	}
	set(ann, hashOf("one"), hashOf("two"))
	set(bob, hashOf("one"))
	if err := take(ann, "one"); err != nil {
		t.Error(err)
	}
	want(t, "twice", take(ann, "one"), fault.NotFound)
	want(t, "nobody's", take(ann, "three"), fault.NotFound)
	if left(ann) != 1 || left(bob) != 1 {
		t.Errorf("%d and %d are left", left(ann), left(bob))
	}
	set(ann, hashOf("four"))
	want(t, "a replaced one", take(ann, "two"), fault.NotFound)
	set(ann)
	if left(ann) != 0 {
		t.Error("some are left")
	}
}

func (c contract) passkeys(t *testing.T) {
	ann, bob := c.person(t), c.person(t)
	party := id.New("x") + ".example"
	key := func(user tenants.UserID, at time.Time, credential string) *identity.Passkey {
		return &identity.Passkey{
			ID: identity.PasskeyID(id.At("pky", at)), User: user, Name: "Phone", Party: party, Credential: []byte(credential), Record: []byte(`{"count":1}`), CreatedAt: at,
		}
	}
	first, second, bobs := key(ann, Noon, "one"), key(ann, Noon.Add(time.Minute), "two"), key(bob, Noon, "three")
	for _, k := range []*identity.Passkey{second, first, bobs} {
		c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddPasskey(ctx, k) })
	}
	want(t, "a credential twice", c.try(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddPasskey(ctx, key(bob, Noon, "one")) }), fault.Conflict)
	first.Name, first.Record, first.UsedAt, first.SuspectAt = "Tablet", []byte(`{"count":2}`), Noon, Noon.Add(time.Second)
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.SavePasskey(ctx, first) })
	list, err := read(t, c, func(ctx context.Context, tx identity.Tx) ([]identity.Passkey, error) { return tx.Passkeys(ctx, ann) })
	if diff := cmp.Diff([]identity.Passkey{*first, *second}, list); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	find := func(party, credential string) (*identity.Passkey, error) {
		return read(t, c, func(ctx context.Context, tx identity.Tx) (*identity.Passkey, error) {
			return tx.Passkey(ctx, party, []byte(credential))
		})
	}
	got, err := find(party, "three")
	if diff := cmp.Diff(bobs, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	_, err = find("other.example", "three")
	want(t, "at another party", err, fault.NotFound)
	drop := func(user tenants.UserID, k *identity.Passkey) error {
		return c.try(t, func(ctx context.Context, tx identity.Tx) error { return tx.DropPasskey(ctx, user, k.ID) })
	}
	want(t, "dropping another person's", drop(ann, bobs), fault.NotFound)
	if err := drop(bob, bobs); err != nil {
		t.Error(err)
	}
	want(t, "dropping it twice", drop(bob, bobs), fault.NotFound)
}

func (c contract) challenges(t *testing.T) {
	ann := c.person(t)
	s := session(ann, Noon)
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddSession(ctx, s) })
	asked := &identity.Challenge{
		Hash: hashOf(string(s.ID)), Question: identity.AskStepUp, User: ann, Session: s.ID, First: identity.ByPassword, Party: "app.example",
		State: []byte(`{"n":1}`), ExpiresAt: Noon.Add(time.Minute),
	}
	whoever := &identity.Challenge{Hash: hashOf("w" + string(s.ID)), Question: identity.AskPasskey, Party: "app.example", State: []byte("{}"), ExpiresAt: Noon.Add(time.Minute)}
	look := func(q identity.Question, of *identity.Challenge, at time.Time) (*identity.Challenge, error) {
		return read(t, c, func(ctx context.Context, tx identity.Tx) (*identity.Challenge, error) {
			return tx.Challenge(ctx, q, of.Hash, at)
		})
	}
	for _, v := range []*identity.Challenge{asked, whoever} {
		c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.AddChallenge(ctx, v) })
		got, err := look(v.Question, v, Noon)
		if diff := cmp.Diff(v, got); diff != "" || err != nil {
			t.Errorf("%v\n%s", err, diff)
		}
	}
	take := func(q identity.Question, at time.Time) error {
		return c.try(t, func(ctx context.Context, tx identity.Tx) error { return tx.TakeChallenge(ctx, q, asked.Hash, at) })
	}
	_, err := look(identity.AskSecond, asked, Noon)
	want(t, "another door", err, fault.NotFound)
	_, err = look(identity.AskStepUp, asked, Noon.Add(time.Minute))
	want(t, "too late", err, fault.NotFound)
	want(t, "taken at another door", take(identity.AskSecond, Noon), fault.NotFound)
	want(t, "taken too late", take(identity.AskStepUp, Noon.Add(time.Minute)), fault.NotFound)
	if err := take(identity.AskStepUp, Noon); err != nil {
		t.Error(err)
	}
	want(t, "taken twice", take(identity.AskStepUp, Noon), fault.NotFound)
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.Sweep(ctx, Noon.Add(time.Minute), Noon) })
	_, err = look(identity.AskPasskey, whoever, Noon)
	want(t, "a swept one", err, fault.NotFound)
}

func (c contract) devices(t *testing.T) {
	ann, bob := c.person(t), c.person(t)
	here, there := hashOf("here"), hashOf("there")
	for _, d := range []*identity.Device{{Hash: here, User: ann, SeenAt: Noon}, {Hash: there, User: ann, SeenAt: Noon}, {Hash: here, User: bob, SeenAt: Noon}} {
		c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.SaveDevice(ctx, d) })
	}
	known := func(user tenants.UserID, h identity.Hash) error {
		_, err := read(t, c, func(ctx context.Context, tx identity.Tx) (*identity.Device, error) { return tx.Device(ctx, h, user) })
		return err
	}
	later := &identity.Device{Hash: here, User: ann, SeenAt: Noon.Add(time.Hour)}
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.SaveDevice(ctx, later) })
	got, err := read(t, c, func(ctx context.Context, tx identity.Tx) (*identity.Device, error) { return tx.Device(ctx, here, ann) })
	if diff := cmp.Diff(later, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
	if n, err := read(t, c, func(ctx context.Context, tx identity.Tx) (int, error) { return tx.Devices(ctx, ann) }); n != 2 || err != nil {
		t.Errorf("%d devices, %v", n, err)
	}
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.ForgetDevices(ctx, ann, here) })
	want(t, "forgotten with the others", known(ann, there), fault.NotFound)
	c.update(t, func(ctx context.Context, tx identity.Tx) error { return tx.ForgetDevice(ctx, here, bob) })
	want(t, "forgotten", known(bob, here), fault.NotFound)
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		return tx.Sweep(ctx, Noon.Add(identity.DeviceTTL), Noon)
	})
	if err := known(ann, here); err != nil {
		t.Error(err)
	}
	c.update(t, func(ctx context.Context, tx identity.Tx) error {
		return tx.Sweep(ctx, Noon.Add(time.Hour+identity.DeviceTTL), Noon)
	})
	want(t, "long unseen", known(ann, here), fault.NotFound)
}
