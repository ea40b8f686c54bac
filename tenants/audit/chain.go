package audit

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strconv"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Hash is a SHA-256.
type Hash [sha256.Size]byte

// String is h in hexadecimal; empty for the zero Hash.
func (h Hash) String() string {
	if h == (Hash{}) {
		return ""
	}
	return hex.EncodeToString(h[:])
}

// A Link puts an entry in its place.
type Link struct {
	Seq    int64
	ID     ID      // of the entry
	Hash   Hash    // over the Hash of the link before, Seq and the entry
	Record *Record // the entry as it is now; nil: it is gone
}

// A Head is the end of a chain at some time, signed.
type Head struct {
	Seq       int64     `json:"seq"`
	Hash      Hash      `json:"-"` // of the link at Seq
	SealedAt  time.Time `json:"sealed_at"`
	Key       string    `json:"key"` // names the key that signed
	Signature []byte    `json:"signature"`
}

// link is the hash of r at seq behind a link with hash before. Every field is
// written with its length, so no two entries read the same.
func link(before Hash, seq int64, r *Record) Hash {
	h := sha256.New()
	for _, field := range [][]byte{
		[]byte("carillon audit link 1"), before[:], []byte(strconv.FormatInt(seq, 10)),
		[]byte(r.Tenant), []byte(r.ID), stamp(r.At), []byte(r.Actor), []byte(r.Behind),
		[]byte(r.Action), []byte(r.Subject), r.detail(), []byte(r.RequestID),
	} {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(field)))
		h.Write(n[:])
		h.Write(field)
	}
	return Hash(h.Sum(nil))
}

// stamp is t as the database keeps it.
func stamp(t time.Time) []byte {
	return []byte(t.UTC().Truncate(time.Microsecond).Format(time.RFC3339Nano))
}

// statement is what the signature of a head vouches for.
func (h Head) statement(tenant tenants.ID) []byte {
	return []byte("carillon audit head 1\n" + string(tenant) + "\n" + strconv.FormatInt(h.Seq, 10) + "\n" +
		hex.EncodeToString(h.Hash[:]) + "\n" + string(stamp(h.SealedAt)) + "\n")
}

// Keys signs heads and knows the keys that signed older ones. It is safe for
// concurrent use.
type Keys struct {
	current ed25519.PrivateKey
	public  map[string]ed25519.PublicKey
}

// NewKeys makes the keys out of seeds of 32 bytes, the current one first. It
// panics without any: a program that cannot sign must not begin.
func NewKeys(current []byte, older ...[]byte) *Keys {
	k := &Keys{current: ed25519.NewKeyFromSeed(current), public: map[string]ed25519.PublicKey{}}
	for _, seed := range append([][]byte{current}, older...) {
		pub, _ := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey) // it is no other
		k.public[keyName(pub)] = pub
	}
	return k
}

// keyName names a public key by its fingerprint.
func keyName(pub ed25519.PublicKey) string {
	sum := sha256.Sum256(pub)
	return hex.EncodeToString(sum[:8])
}

// Public lists the public keys by name, for whoever verifies without a secret.
func (k *Keys) Public() map[string][]byte {
	out := map[string][]byte{}
	for name, pub := range k.public {
		out[name] = pub
	}
	return out
}

// name is that of the current key.
func (k *Keys) name() string {
	pub, _ := k.current.Public().(ed25519.PublicKey) // it is no other
	return keyName(pub)
}

// sign completes h.
func (k *Keys) sign(tenant tenants.ID, h Head) Head {
	h.Key, h.Signature = k.name(), ed25519.Sign(k.current, h.statement(tenant))
	return h
}

func errForged() error {
	return fault.New(fault.Internal, "audit.forged_head", "The end of the audit chain is not what was signed.")
}

// knows reports whether there is a key of that name.
func (k *Keys) knows(name string) bool { return k.public[name] != nil }

// Signed reports whether h is as one of the keys signed it.
func (k *Keys) Signed(tenant tenants.ID, h Head) bool {
	pub, known := k.public[h.Key]
	return known && len(h.Signature) == ed25519.SignatureSize && ed25519.Verify(pub, h.statement(tenant), h.Signature)
}

// seal chains waiting to head and signs the new end.
func (k *Keys) seal(tenant tenants.ID, head *Head, waiting []Record, now time.Time) ([]Link, Head, error) {
	var last Head
	if head != nil {
		if last = *head; !k.Signed(tenant, last) {
			return nil, last, errForged()
		}
	}
	links := make([]Link, len(waiting))
	for i := range waiting {
		last.Seq++
		last.Hash = link(last.Hash, last.Seq, &waiting[i])
		links[i] = Link{Seq: last.Seq, ID: waiting[i].ID, Hash: last.Hash}
	}
	last.SealedAt = now.UTC().Truncate(time.Microsecond)
	return links, k.sign(tenant, last), nil
}
