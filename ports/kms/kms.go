// Package kms is what a keeper of keys must be able to do: to wrap a data key,
// so that the database may hold it, and to unwrap it again.
//
// A wrapped key says which key it was wrapped by, so that the keeper may change
// its keys at any time: what the one before wrapped opens until that key is
// taken away. It is bound to what it belongs to, and opens for nothing else.
//
// Start with Keeper. Package kmstest holds its contract.
package kms

import (
	"context"
	"slices"

	"github.com/carillonhq/carillon/ports/fault"
)

// Wrapped is a key that only its keeper can read.
type Wrapped struct {
	Key   string // names the key-encryption key, such as "master/2"
	Bytes []byte
}

// Keys is what a keeper has at present.
type Keys struct {
	Current string   // wraps
	All     []string // unwrap, Current among them; oldest first
}

// Keeper wraps and unwraps data keys of up to 64 bytes. It is safe for
// concurrent use. Its errors hold neither keys nor what it was asked with.
type Keeper interface {
	// Wrap encrypts key by the current key, bound to what it belongs to.
	Wrap(ctx context.Context, key, bound []byte) (Wrapped, error)
	// Unwrap returns what Wrap was given. It returns ErrUnknown for a key that
	// this keeper does not have, and ErrRefused for what it did not wrap or was
	// bound to something else.
	Unwrap(ctx context.Context, w Wrapped, bound []byte) ([]byte, error)
	// Keys lists what there is.
	Keys(ctx context.Context) (Keys, error)
}

// A keeper that cannot be reached, or is locked, answers Unavailable: what it
// would open is not lost.
func Unavailable(cause error) error {
	return fault.New(fault.Unavailable, "kms.unavailable", "The keeper of keys does not answer at the moment.").Because(cause)
}

// ErrUnknown is for a key that a keeper does not have.
func ErrUnknown(key string) error {
	return fault.New(fault.Internal, "kms.unknown_key", "The key %.80q is not configured.", key)
}

// ErrRefused is for what does not open.
func ErrRefused() error {
	return fault.New(fault.Internal, "kms.refused", "Something went wrong on our side.")
}

// Several is a keeper that wraps by the first and unwraps by whichever of them
// knows the key: how an installation moves from one to another.
func Several(current Keeper, older ...Keeper) Keeper {
	if len(older) == 0 {
		return current
	}
	return several(append([]Keeper{current}, older...))
}

type several []Keeper

// Wrap implements Keeper.
func (s several) Wrap(ctx context.Context, key, bound []byte) (Wrapped, error) {
	return s[0].Wrap(ctx, key, bound)
}

// Unwrap implements Keeper.
func (s several) Unwrap(ctx context.Context, w Wrapped, bound []byte) (key []byte, err error) {
	for _, k := range s {
		key, err = k.Unwrap(ctx, w, bound)
		if err == nil || fault.Of(err).Reason != "kms.unknown_key" {
			return key, err
		}
	}
	return nil, err
}

// Keys implements Keeper.
func (s several) Keys(ctx context.Context) (out Keys, err error) {
	for _, k := range slices.Backward(s) {
		one, err := k.Keys(ctx)
		if err != nil {
			return Keys{}, err
		}
		out.Current = one.Current
		for _, name := range one.All {
			if !slices.Contains(out.All, name) {
				out.All = append(out.All, name)
			}
		}
	}
	return out, nil
}
