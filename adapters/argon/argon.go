// Package argon hashes passwords with Argon2id (RFC 9106).
//
// One hash takes tens of milliseconds and megabytes on purpose, which makes it
// the cheapest way to bring a server down. So only as many are computed at once
// as there are cores, a few more may wait, and the rest are told to come back:
// a flood of sign-ins slows down sign-ins and nothing else.
package argon

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"golang.org/x/crypto/argon2"
	"golang.org/x/text/unicode/norm"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// Params is the price of one hash.
type Params struct {
	Memory  uint32 // KiB
	Time    uint32 // passes
	Threads uint8
}

// Current is what new hashes cost: OWASP's Password Storage Cheat Sheet, first
// row of the equivalent settings that fits many at once (19 MiB, two passes).
func Current() Params { return Params{Memory: 19 << 10, Time: 2, Threads: 1} }

// Sizes in bytes (RFC 9106, 3.1 and 4).
const (
	saltSize = 16
	keySize  = 32
)

// queuePerWorker is how many may wait for each that runs: at 30 ms a hash,
// the last in the queue waits a quarter of a second.
const queuePerWorker = 8

// quiet is how long nothing is hashed before the memory that it took is given
// back. The collector, which nothing hurries then, would keep it for minutes:
// three or four times what the rest of an idle server needs.
const quiet = 2 * time.Second

// Hasher computes hashes. It is safe for concurrent use; make one per process.
type Hasher struct {
	params  Params
	queue   chan struct{} // running and waiting
	workers chan struct{} // running
	rest    *time.Timer   // until nothing was hashed for a while
	nobody  string        // a hash that no password made
	compute func(password, salt []byte, p Params) []byte
}

// New returns a hasher that runs as many hashes at once as there are cores.
func New(p Params) *Hasher { return newHasher(p, runtime.GOMAXPROCS(0)) }

func newHasher(p Params, workers int) *Hasher {
	h := &Hasher{
		params: p, compute: compute,
		queue: make(chan struct{}, workers*(1+queuePerWorker)), workers: make(chan struct{}, workers),
	}
	h.rest = time.AfterFunc(quiet, debug.FreeOSMemory)
	h.rest.Stop()
	h.nobody = encode(p, random(saltSize), random(keySize))
	return h
}

func compute(password, salt []byte, p Params) []byte {
	return argon2.IDKey(password, salt, p.Time, p.Memory, p.Threads, keySize)
}

// Hash returns password's hash in the PHC string format, with a fresh salt. It
// returns fault.RateLimited when the queue is full.
func (h *Hasher) Hash(ctx context.Context, password secret.Secret) (string, error) {
	return h.HashSalted(ctx, password, random(saltSize))
}

// HashSalted is Hash with the caller's salt of at least 16 bytes. Hashes of one
// salt are compared with in one computation.
func (h *Hasher) HashSalted(ctx context.Context, password secret.Secret, salt []byte) (string, error) {
	key, err := h.run(ctx, password, salt, h.params)
	if err != nil {
		return "", err
	}
	return encode(h.params, salt, key), nil
}

// Verify reports whether password made one of hashes, and whether one of them
// costs something else than new ones do. Those of one salt and price take one
// computation together, and so does no hash at all, which never matches. It
// returns fault.RateLimited when the queue is full.
func (h *Hasher) Verify(ctx context.Context, password secret.Secret, hashes ...string) (match, stale bool, err error) {
	known := len(hashes) > 0
	if !known {
		hashes = []string{h.nobody}
	}
	made := map[string][]byte{} // what password makes, by price and salt
	for _, hash := range hashes {
		p, salt, want, err := decode(hash)
		if err != nil {
			return false, false, err
		}
		kind := hash[:strings.LastIndexByte(hash, '$')]
		if made[kind] == nil {
			if made[kind], err = h.run(ctx, password, salt, p); err != nil {
				return false, false, err
			}
		}
		match = subtle.ConstantTimeCompare(made[kind], want) == 1 && known || match
		stale = stale || p != h.params
	}
	return match, stale, nil
}

// run waits for its turn and computes.
func (h *Hasher) run(ctx context.Context, password secret.Secret, salt []byte, p Params) ([]byte, error) {
	select {
	case h.queue <- struct{}{}:
		defer func() { <-h.queue }()
	default:
		return nil, fault.New(fault.RateLimited, "auth.busy", "Many people are signing in right now. Please try again in a moment.").After(time.Second)
	}
	select {
	case h.workers <- struct{}{}:
		defer func() { <-h.workers }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer h.rest.Reset(quiet)
	// One key press may arrive as one code point or as two (NIST SP 800-63B-4, 3.1.1.2).
	return h.compute(norm.NFKC.Bytes([]byte(password.Reveal())), salt, p), nil
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}

// encode writes a hash in the PHC string format.
func encode(p Params, salt, key []byte) string {
	b64 := base64.RawStdEncoding.EncodeToString
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, p.Memory, p.Time, p.Threads, b64(salt), b64(key))
}

// Bounds of what decode accepts: a row that was tampered with must not be able
// to take the machine's memory.
const (
	maxMemory = 256 << 10 // KiB
	maxTime   = 16
)

func decode(hash string) (p Params, salt, key []byte, err error) {
	bad := fmt.Errorf("argon: not a hash of ours")
	parts := strings.Split(hash, "$")
	if len(parts) != 6 || parts[0] != "" || parts[1] != "argon2id" || parts[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return p, nil, nil, bad
	}
	if _, err := fmt.Sscanf(parts[3], "m=%d,t=%d,p=%d", &p.Memory, &p.Time, &p.Threads); err != nil {
		return p, nil, nil, bad
	}
	salt, err1 := base64.RawStdEncoding.DecodeString(parts[4])
	key, err2 := base64.RawStdEncoding.DecodeString(parts[5])
	switch {
	case err1 != nil, err2 != nil, len(key) != keySize, len(salt) < 8,
		p.Memory == 0, p.Memory > maxMemory, p.Time == 0, p.Time > maxTime, p.Threads == 0:
		return p, nil, nil, bad
	}
	return p, salt, key, nil
}
