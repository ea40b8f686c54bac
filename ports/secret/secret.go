// Package secret keeps secrets out of logs.
//
// A Secret is a string that shows itself only to who asks for it by name:
// every way fmt, encoding/json and log/slog have of printing it answers ***.
// It guards against accidents, not against code that means to read it (fmt asks
// no type about %p; go vet refuses that verb).
package secret

import "fmt"

const mask = "***"

// A Secret is a password, token or key. Decoding JSON into one works; encoding
// one writes ***.
type Secret string

// Reveal returns the plain text. Each call is a place to look at in a review.
func (s Secret) Reveal() string { return string(s) }

// String implements fmt.Stringer.
func (Secret) String() string { return mask }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return mask }

// Format implements fmt.Formatter. Without it a mistaken verb such as %d would
// print the plain text.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(mask)) }

// MarshalText implements encoding.TextMarshaler: encoding/json and both
// handlers of log/slog go through it. (Not for the key of a map: encoding/json
// reads a string there without asking.)
func (Secret) MarshalText() ([]byte, error) { return []byte(mask), nil }
