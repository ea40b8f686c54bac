package vault

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/carillonhq/carillon/ports/kms"
)

// Ring is the master keys of an installation by number. One is current: what is
// made is made with it. The others only open and verify, those before it and
// those to come, so that processes with different current keys understand each
// other. It is safe for concurrent use, and a kms.Keeper.
type Ring struct {
	current int
	masters map[int]*Vault
}

var _ kms.Keeper = (*Ring)(nil)

// NewRing returns the ring of masters, of KeySize bytes each and numbered from
// 1, of which current is one.
func NewRing(current int, masters map[int][]byte) (*Ring, error) {
	r := &Ring{current: current, masters: map[int]*Vault{}}
	for number, key := range masters {
		if number < 1 || number > math.MaxInt32 || len(key) != KeySize {
			return nil, fmt.Errorf("a master key has %d bytes and a number from 1", KeySize)
		}
		r.masters[number] = New(key)
	}
	if r.masters[current] == nil {
		return nil, errors.New("there is no master key that is current")
	}
	return r, nil
}

// Single is the ring of one key, number 1.
func Single(master []byte) *Ring { return &Ring{current: 1, masters: map[int]*Vault{1: New(master)}} }

// Entries are the keys of a text that lists them, divided by space, lines or
// commas. A line may end in a comment (#).
func Entries(text string) []string {
	var lines []string
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		lines = append(lines, line)
	}
	return strings.Fields(strings.ReplaceAll(strings.Join(lines, " "), ",", " "))
}

// ParseRing reads the Entries of a text as ParseNumbered does each. The first
// is current.
func ParseRing(text string) (*Ring, error) {
	current, masters := 0, map[int][]byte{}
	for _, one := range Entries(text) {
		number, key, err := ParseNumbered(one)
		if err == nil && masters[number] != nil {
			err = fmt.Errorf("key %d: each number is used once; write the new key as %d:…", number, number+1)
		}
		if err != nil {
			return nil, err
		}
		if masters[number] = key; current == 0 {
			current = number
		}
	}
	return NewRing(current, masters)
}

// Join is r with the keys of others besides. It refuses two keys of one number.
func (r *Ring) Join(other *Ring) (*Ring, error) {
	out := &Ring{current: r.current, masters: maps.Clone(r.masters)}
	for number, v := range other.masters {
		if out.masters[number] != nil {
			return nil, fmt.Errorf("key %d: each number is used once; write the new key as %d:…", number, number+1)
		}
		out.masters[number] = v
	}
	return out, nil
}

// Current is the number of the key that things are made with.
func (r *Ring) Current() int { return r.current }

// Numbers lists every key there is, lowest first.
func (r *Ring) Numbers() []int { return slices.Sorted(maps.Keys(r.masters)) }

// Key is the current key for purpose.
func (r *Ring) Key(purpose string) []byte { return r.masters[r.current].Key(purpose) }

// Others are the keys for purpose that are not current, the highest number first.
// What they made counts until they are taken from the ring.
func (r *Ring) Others(purpose string) (out [][]byte) {
	for _, number := range slices.Backward(r.Numbers()) {
		if number != r.current {
			out = append(out, r.masters[number].Key(purpose))
		}
	}
	return out
}

// MasterPrefix begins the name of a ring's key, as a Keeper names it. Its number follows.
const MasterPrefix = "master/"

func keyName(number int) string { return MasterPrefix + strconv.Itoa(number) }

// KeyNumber is the number of a ring's key by its name, or false for a key of
// another keeper.
func KeyNumber(name string) (int, bool) {
	digits, ours := strings.CutPrefix(name, MasterPrefix)
	number, err := strconv.Atoi(digits)
	if !ours || err != nil || keyName(number) != name {
		return 0, false
	}
	return number, true
}

// Wrap implements kms.Keeper.
func (r *Ring) Wrap(_ context.Context, key, bound []byte) (kms.Wrapped, error) {
	sealed, err := seal(nil, r.Key(DataKeys), bound, key)
	return kms.Wrapped{Key: keyName(r.current), Bytes: sealed}, err
}

// Unwrap implements kms.Keeper.
func (r *Ring) Unwrap(_ context.Context, w kms.Wrapped, bound []byte) ([]byte, error) {
	number, ours := KeyNumber(w.Key)
	if !ours || r.masters[number] == nil {
		return nil, kms.ErrUnknown(w.Key)
	}
	key, err := open(r.masters[number].Key(DataKeys), w.Bytes, bound)
	if err != nil {
		return nil, kms.ErrRefused()
	}
	return key, nil
}

// Keys implements kms.Keeper.
func (r *Ring) Keys(context.Context) (kms.Keys, error) {
	k := kms.Keys{Current: keyName(r.current)}
	for _, number := range r.Numbers() {
		k.All = append(k.All, keyName(number))
	}
	return k, nil
}

// Format implements fmt.Formatter and keeps the keys out of logs.
func (*Ring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("ring")) }
