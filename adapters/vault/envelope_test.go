package vault_test

import (
	"bytes"
	"context"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/tenants"
)

// keys keeps data keys in memory and counts how often it is asked.
type keys struct {
	mu    sync.Mutex
	all   map[tenants.ID][]vault.DataKey
	gone  map[tenants.ID]bool
	kept  map[string]kms.Wrapped
	reads int
}

func (k *keys) Kept(_ context.Context, name string) (kms.Wrapped, error) {
	if w, ok := k.kept[name]; ok {
		return w, nil
	}
	return kms.Wrapped{}, fault.New(fault.NotFound, "not_found", "None.")
}

func (k *keys) Keep(ctx context.Context, name string, w kms.Wrapped) (kms.Wrapped, error) {
	return w, k.RewrapKept(ctx, name, kms.Wrapped{}, w)
}

func (k *keys) RewrapKept(_ context.Context, name string, _, w kms.Wrapped) error {
	if k.kept == nil {
		k.kept = map[string]kms.Wrapped{}
	}
	k.kept[name] = w
	return nil
}

func (k *keys) WrappedBy(context.Context) (map[string]int, error) { return nil, nil }
func (k *keys) Retire(context.Context, string) error              { return nil }
func (k *keys) Retired(context.Context) ([]string, error)         { return nil, nil }

func (k *keys) Destroy(_ context.Context, t tenants.ID) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.all, t)
	k.gone = map[tenants.ID]bool{t: true}
	return nil
}

func (k *keys) Keys(_ context.Context, t tenants.ID) ([]vault.DataKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.reads++
	return append([]vault.DataKey(nil), k.all[t]...), nil
}

func (k *keys) AddKey(_ context.Context, t tenants.ID, d vault.DataKey) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.gone[t] {
		return fault.New(fault.NotFound, "vault.destroyed", "Gone.")
	}
	if d.Number != len(k.all[t])+1 {
		return fault.New(fault.Conflict, "vault.stale", "Taken.")
	}
	if k.all == nil {
		k.all = map[tenants.ID][]vault.DataKey{}
	}
	k.all[t] = append(k.all[t], d)
	return nil
}

func (k *keys) OldKeys(_ context.Context, current string, limit int) (out []vault.OldKey, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for t, list := range k.all {
		for _, d := range list {
			if d.Key != current && len(out) < limit {
				out = append(out, vault.OldKey{Tenant: t, DataKey: d})
			}
		}
	}
	return out, nil
}

func (k *keys) Rewrap(_ context.Context, old vault.OldKey, w kms.Wrapped) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.all[old.Tenant][old.Number-1] = vault.DataKey{Number: old.Number, Wrapped: w}
	return nil
}

func kek(b byte) []byte { return bytes.Repeat([]byte{b}, vault.KeySize) }

func envelope(t *testing.T, k vault.Keys, keks map[int][]byte) *vault.Envelope {
	t.Helper()
	current := 0
	for number := range keks {
		current = max(current, number)
	}
	return vault.NewEnvelope(k, ringOf(t, current, keks), time.Now)
}

func ringOf(t testing.TB, current int, masters map[int][]byte) *vault.Ring {
	t.Helper()
	r, err := vault.NewRing(current, masters)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

const (
	secret = "a refresh token"
	row    = "channel_grants/grt_1/sealed/1"
)

func TestASecretOpensOnlyWhereItWasSealed(t *testing.T) {
	ctx := t.Context()
	store := new(keys)
	e := envelope(t, store, map[int][]byte{1: kek(1)})
	us, them := tenants.NewID(), tenants.NewID()
	sealed, err := e.Seal(ctx, us, row, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.Seal(ctx, them, row, []byte("theirs")); err != nil {
		t.Fatal(err)
	}
	changed := bytes.Clone(sealed)
	changed[len(changed)-1] ^= 1
	otherKey := bytes.Clone(sealed)
	otherKey[4] = 9
	for name, tc := range map[string]struct {
		e      *vault.Envelope
		tenant tenants.ID
		place  string
		sealed []byte
		ok     bool
	}{
		"its own place":      {e, us, row, sealed, true},
		"another process":    {envelope(t, store, map[int][]byte{1: kek(1)}), us, row, sealed, true},
		"another tenant":     {e, them, row, sealed, false},
		"another row":        {e, us, "channel_grants/grt_2/sealed/1", sealed, false},
		"another column":     {e, us, "channel_grants/grt_1/other/1", sealed, false},
		"another version":    {e, us, "channel_grants/grt_1/sealed/2", sealed, false},
		"another table":      {e, us, "channel_apps/grt_1/sealed/1", sealed, false},
		"changed":            {e, us, row, changed, false},
		"another data key":   {e, us, row, otherKey, false},
		"cut":                {e, us, row, sealed[:len(sealed)-5], false},
		"empty":              {e, us, row, nil, false},
		"another format":     {e, us, row, append([]byte{2}, sealed[1:]...), false},
		"another master key": {envelope(t, store, map[int][]byte{1: kek(2)}), us, row, sealed, false},
		"a lost master key":  {envelope(t, store, map[int][]byte{2: kek(1)}), us, row, sealed, false},
	} {
		t.Run(name, func(t *testing.T) {
			plain, err := tc.e.Open(ctx, tc.tenant, tc.place, tc.sealed)
			if tc.ok && (err != nil || string(plain) != secret) || !tc.ok && !fault.Is(err, fault.Internal) {
				t.Errorf("%q, %v", plain, err)
			}
		})
	}
}

func TestSealingTwiceLooksDifferent(t *testing.T) {
	e := envelope(t, new(keys), map[int][]byte{1: kek(1)})
	us := tenants.NewID()
	a, err := e.Seal(t.Context(), us, row, []byte(secret))
	b, err2 := e.Seal(t.Context(), us, row, []byte(secret))
	if err != nil || err2 != nil || bytes.Equal(a, b) || bytes.Contains(a, []byte(secret)) {
		t.Errorf("%x, %x, %v, %v", a, b, err, err2)
	}
}

func TestAWrappedKeyBelongsToItsTenant(t *testing.T) {
	store := new(keys)
	us, them := tenants.NewID(), tenants.NewID()
	sealed, err := envelope(t, store, map[int][]byte{1: kek(1)}).Seal(t.Context(), us, row, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	store.all[them] = store.all[us]
	if _, err := envelope(t, store, map[int][]byte{1: kek(1)}).Open(t.Context(), them, row, sealed); !fault.Is(err, fault.Internal) {
		t.Errorf("err = %v", err)
	}
}

func TestRotationKeepsSecretsReadable(t *testing.T) {
	ctx := t.Context()
	store := new(keys)
	old := envelope(t, store, map[int][]byte{1: kek(1)})
	sealed := map[tenants.ID][]byte{}
	for range 3 {
		who := tenants.NewID()
		var err error
		if sealed[who], err = old.Seal(ctx, who, row, []byte(secret)); err != nil {
			t.Fatal(err)
		}
		if err := old.Renew(ctx, who); err != nil {
			t.Fatal(err)
		}
	}
	both := envelope(t, store, map[int][]byte{1: kek(1), 2: kek(2)})
	for pass, want := range []int{6, 0} {
		if n, err := both.Rotate(ctx, nil); err != nil || n != want {
			t.Fatalf("pass %d: %d keys, %v", pass, n, err)
		}
	}
	alone := envelope(t, store, map[int][]byte{2: kek(2)})
	for who, box := range sealed {
		plain, err := alone.Open(ctx, who, row, box)
		if err != nil || string(plain) != secret {
			t.Errorf("%q, %v", plain, err)
		}
	}
}

func TestARenewedDataKeySealsFromThenOn(t *testing.T) {
	ctx := t.Context()
	store := new(keys)
	us := tenants.NewID()
	e, other := envelope(t, store, map[int][]byte{1: kek(1)}), envelope(t, store, map[int][]byte{1: kek(1)})
	first, err := e.Seal(ctx, us, row, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := other.Open(ctx, us, row, first); err != nil { // and now it remembers the first key only
		t.Fatal(err)
	}
	if err := e.Renew(ctx, us); err != nil {
		t.Fatal(err)
	}
	second, err := e.Seal(ctx, us, row, []byte(secret))
	if err != nil || bytes.Equal(first[:5], second[:5]) {
		t.Fatalf("%x, %x, %v", first[:5], second[:5], err)
	}
	for _, box := range [][]byte{first, second} {
		if plain, err := other.Open(ctx, us, row, box); err != nil || string(plain) != secret {
			t.Errorf("%q, %v", plain, err)
		}
	}
}

func TestManyFirstSealsMakeOneKey(t *testing.T) {
	store := new(keys)
	us := tenants.NewID()
	envelopes := []*vault.Envelope{envelope(t, store, map[int][]byte{1: kek(1)}), envelope(t, store, map[int][]byte{1: kek(1)})}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			place := row + strconv.Itoa(i)
			sealed, err := envelopes[i%2].Seal(t.Context(), us, place, []byte(secret))
			if err != nil {
				t.Error(err)
				return
			}
			if _, err := envelopes[(i+1)%2].Open(t.Context(), us, place, sealed); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := len(store.all[us]); n != 1 {
		t.Errorf("%d data keys", n)
	}
}

func TestKeysAreRemembered(t *testing.T) {
	store := new(keys)
	now := time.Now()
	e := vault.NewEnvelope(store, vault.Single(kek(1)), func() time.Time { return now })
	us := tenants.NewID()
	seal := func() {
		if _, err := e.Seal(t.Context(), us, row, []byte(secret)); err != nil {
			t.Fatal(err)
		}
	}
	seal()
	before := store.reads
	seal()
	if store.reads != before {
		t.Error("asked again at once")
	}
	now = now.Add(time.Hour)
	seal()
	if store.reads == before {
		t.Error("never asked again")
	}
}

func TestDestroyedKeysOpenNothing(t *testing.T) {
	ctx := t.Context()
	store := new(keys)
	us, them := tenants.NewID(), tenants.NewID()
	e := envelope(t, store, map[int][]byte{1: kek(1)})
	ours, err := e.Seal(ctx, us, row, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := e.Seal(ctx, them, row, []byte(secret))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := e.Destroy(ctx, us); err != nil {
			t.Fatal(err)
		}
	}
	if plain, err := e.Open(ctx, us, row, ours); err == nil {
		t.Errorf("it opens as %q", plain)
	}
	if _, err := e.Seal(ctx, us, row, []byte(secret)); !fault.Is(err, fault.NotFound) {
		t.Errorf("more is sealed: %v", err)
	}
	if plain, err := e.Open(ctx, them, row, theirs); err != nil || string(plain) != secret {
		t.Errorf("another tenant's: %q, %v", plain, err)
	}
}

// A kept key is what it was, whatever the master keys are.
func TestAKeptKeyStays(t *testing.T) {
	store, first := new(keys), kek(9)
	for _, e := range []*vault.Envelope{
		envelope(t, store, map[int][]byte{1: kek(1)}), envelope(t, store, map[int][]byte{1: kek(1), 2: kek(2)}), envelope(t, store, map[int][]byte{2: kek(2)}),
	} {
		key, err := e.Kept(t.Context(), vault.Pseudonym, first)
		if err != nil || string(key) != string(kek(9)) {
			t.Errorf("%x, %v", key, err)
		}
		if _, err := e.Rotate(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		first = kek(8) // of no more use
	}
}

// Nothing that was not sealed here opens or panics.
func FuzzOpen(f *testing.F) {
	e := vault.NewEnvelope(new(keys), vault.Single(kek(1)), time.Now)
	us := tenants.NewID()
	sealed, err := e.Seal(context.Background(), us, row, []byte(secret))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{1, 0, 0, 0, 1})
	f.Add(sealed[:20])
	f.Fuzz(func(t *testing.T, b []byte) {
		if plain, err := e.Open(t.Context(), us, row, b); err == nil {
			t.Errorf("%x opened as %q", b, plain)
		}
	})
}
