package vault

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/tenants"
)

// Keys keeps the tenants' data keys, each wrapped by a key-encryption key.
type Keys interface {
	// Keys returns t's keys, oldest first.
	Keys(ctx context.Context, t tenants.ID) ([]DataKey, error)
	// AddKey keeps a new key. It returns fault.Conflict if t has one of that
	// number already.
	AddKey(ctx context.Context, t tenants.ID, k DataKey) error
	// OldKeys lists up to limit keys of all tenants that another key than current wraps.
	OldKeys(ctx context.Context, current string, limit int) ([]OldKey, error)
	// Rewrap replaces how a key is wrapped, if it still is wrapped as k.DataKey
	// was; if not, it returns fault.Conflict.
	Rewrap(ctx context.Context, k OldKey, w kms.Wrapped) error
	// Destroy removes t's keys for good: AddKey returns fault.NotFound from then on.
	Destroy(ctx context.Context, t tenants.ID) error

	// Kept returns a key of no tenant, or fault.NotFound.
	Kept(ctx context.Context, name string) (kms.Wrapped, error)
	// Keep keeps one, unless there is one of that name, and returns which there is.
	Keep(ctx context.Context, name string, w kms.Wrapped) (kms.Wrapped, error)
	// RewrapKept is Rewrap for these.
	RewrapKept(ctx context.Context, name string, was, w kms.Wrapped) error

	// WrappedBy counts keys of both kinds by what wraps them.
	WrappedBy(ctx context.Context) (map[string]int, error)
	// Retire notes that nothing may be wrapped by a key any more. It returns
	// fault.Conflict while something is.
	Retire(ctx context.Context, key string) error
	// Retired lists those keys.
	Retired(ctx context.Context) ([]string, error)
}

// A DataKey is one tenant's key, wrapped.
type DataKey struct {
	Number int // from 1
	kms.Wrapped
}

// An OldKey is a data key to wrap anew.
type OldKey struct {
	Tenant tenants.ID
	DataKey
}

// cacheLife and cacheSize bound how long and how many data keys stay in memory.
const (
	cacheLife = 5 * time.Minute
	cacheSize = 10_000
)

// Envelope seals secrets, each tenant's with a key of its own. What was sealed
// for one tenant and place opens for no other: both are bound to the
// ciphertext as associated data. It is safe for concurrent use.
type Envelope struct {
	keys   Keys
	keeper kms.Keeper
	now    func() time.Time

	flight singleflight.Group
	mu     sync.Mutex
	cache  map[tenants.ID]ring
}

// ring is one tenant's data keys, unwrapped.
type ring struct {
	keys   map[int][]byte
	newest int
	until  time.Time
}

// NewEnvelope returns an Envelope whose data keys keeper wraps. Every argument
// is required.
func NewEnvelope(keys Keys, keeper kms.Keeper, now func() time.Time) *Envelope {
	return &Envelope{keys: keys, keeper: keeper, now: now, cache: map[tenants.ID]ring{}}
}

// format is the first byte of everything sealed; then come the data key's
// number (4 bytes, big endian), the nonce and the AES-256-GCM ciphertext.
const (
	format = 1
	header = 1 + 4
)

// Seal encrypts plain for t and place. A place names one version of one column
// of one row, such as "channel_grants/grt_…/sealed/3".
func (e *Envelope) Seal(ctx context.Context, t tenants.ID, place string, plain []byte) ([]byte, error) {
	r, err := e.ring(ctx, t)
	if err != nil {
		return nil, err
	}
	if r.newest == 0 {
		if r, err = e.firstKey(ctx, t); err != nil {
			return nil, err
		}
	}
	out := append(make([]byte, 0, header+len(plain)+64), format)
	out = binary.BigEndian.AppendUint32(out, uint32(r.newest))
	return seal(out, r.keys[r.newest], bound(t, place), plain)
}

// Open decrypts what Seal made for t and place. Anything else is
// fault.Internal, without saying what did not fit.
func (e *Envelope) Open(ctx context.Context, t tenants.ID, place string, sealed []byte) ([]byte, error) {
	if len(sealed) < header || sealed[0] != format {
		return nil, noEntry()
	}
	number := int(binary.BigEndian.Uint32(sealed[1:header]))
	r, err := e.ring(ctx, t)
	if err != nil {
		return nil, err
	}
	key, ok := r.keys[number]
	if !ok { // another process may have made it since
		if r, err = e.load(ctx, t); err != nil {
			return nil, err
		}
		if key, ok = r.keys[number]; !ok {
			return nil, noEntry()
		}
	}
	return open(key, sealed[header:], bound(t, place))
}

// bound is the associated data: the lengths keep "a"+"bc" from reading as "ab"+"c".
func bound(t tenants.ID, place string) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(t)))
	out = append(out, t...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(place)))
	return append(out, place...)
}

// ring returns t's keys, from memory or the store.
func (e *Envelope) ring(ctx context.Context, t tenants.ID) (ring, error) {
	e.mu.Lock()
	r, ok := e.cache[t]
	e.mu.Unlock()
	if ok && e.now().Before(r.until) {
		return r, nil
	}
	v, err, _ := e.flight.Do(string(t), func() (any, error) { return e.load(context.WithoutCancel(ctx), t) })
	if err != nil {
		return ring{}, err
	}
	return v.(ring), nil
}

func (e *Envelope) load(ctx context.Context, t tenants.ID) (ring, error) {
	wrapped, err := e.keys.Keys(ctx, t)
	if err != nil {
		return ring{}, err
	}
	r := ring{keys: map[int][]byte{}, until: e.now().Add(cacheLife)}
	for _, k := range wrapped {
		if r.keys[k.Number], err = e.unwrap(ctx, t, k); err != nil {
			return ring{}, err
		}
		r.newest = max(r.newest, k.Number)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.cache) >= cacheSize {
		clear(e.cache)
	}
	e.cache[t] = r
	return r, nil
}

// firstKey gives t its first data key. Of two processes that try, one wins.
func (e *Envelope) firstKey(ctx context.Context, t tenants.ID) (ring, error) {
	refused := e.addKey(ctx, t, 1)
	if refused != nil && !fault.Is(refused, fault.Conflict) {
		return ring{}, refused
	}
	r, err := e.load(ctx, t)
	if err == nil && r.newest == 0 { // it was not that somebody else was faster
		err = refused
	}
	return r, err
}

// seal appends a random nonce and the ciphertext to out.
func seal(out, key, data, plain []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	return gcm.Seal(out, nil, plain, data), nil
}

func open(key, sealed, data []byte) ([]byte, error) {
	gcm, err := newGCM(key)
	if err != nil {
		return nil, err
	}
	plain, err := gcm.Open(nil, nil, sealed, data)
	if err != nil {
		return nil, noEntry()
	}
	return plain, nil
}

// newGCM uses nonces that the standard library draws itself: 96 random bits,
// good for 2³² secrets a key.
func newGCM(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

func noEntry() error {
	return fault.New(fault.Internal, "vault.sealed", "Something went wrong on our side.")
}
