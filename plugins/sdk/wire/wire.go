// Package wire maps ports/social to the protobuf messages and back.
//
// Both ends use it: the SDK in the plugin and the host. A mapping is one
// function, FromX to the wire and ToX from it, and a round trip keeps every
// field; empty and nil are the same. Clean mends texts and numbers before they
// are sent, because one stray byte of a platform's error page would otherwise
// fail the whole message, and after a commit that costs a search for a post
// whose fate was known. The host cleans what it receives as well: a plugin need
// not have been built with this SDK. Start with publish.go.
package wire

import (
	"math"
	"strings"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// MaxMessage is the largest message either side accepts, in bytes.
const MaxMessage = 4 << 20

// Clean makes everything in m fit to send and to store: strings become what
// Text makes of them, and numbers that JSON cannot hold are left out.
func Clean(m proto.Message) { clean(m.ProtoReflect()) }

// Text repairs s to valid UTF-8 and leaves out NUL, which no column of the
// database takes.
func Text(s string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "")
}

func clean(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			cleanMap(f.MapValue(), v.Map())
		case f.IsList():
			cleanList(f, v.List())
		case f.Message() != nil:
			clean(v.Message())
		case broken(f, v):
			m.Set(f, mended(f, v))
		}
		return true
	})
}

func cleanList(f protoreflect.FieldDescriptor, l protoreflect.List) {
	for i := range l.Len() {
		switch v := l.Get(i); {
		case f.Message() != nil:
			clean(v.Message())
		case broken(f, v):
			l.Set(i, mended(f, v))
		}
	}
}

// cleanMap mends a map; all maps of the wire have string keys.
func cleanMap(value protoreflect.FieldDescriptor, m protoreflect.Map) {
	var bad []protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if Text(k.String()) != k.String() || broken(value, v) {
			bad = append(bad, k)
		}
		return true
	})
	for _, k := range bad {
		v := m.Get(k)
		m.Clear(k)
		if value.Kind() == protoreflect.DoubleKind && broken(value, v) {
			continue
		}
		m.Set(protoreflect.ValueOfString(Text(k.String())).MapKey(), mended(value, v))
	}
}

// broken reports whether a single value cannot be sent or stored as it is.
func broken(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
	switch f.Kind() {
	case protoreflect.StringKind:
		return Text(v.String()) != v.String()
	case protoreflect.DoubleKind, protoreflect.FloatKind:
		return math.IsNaN(v.Float()) || math.IsInf(v.Float(), 0)
	}
	return false
}

func mended(f protoreflect.FieldDescriptor, v protoreflect.Value) protoreflect.Value {
	switch {
	case !broken(f, v):
		return v
	case f.Kind() == protoreflect.StringKind:
		return protoreflect.ValueOfString(Text(v.String()))
	case f.Kind() == protoreflect.FloatKind:
		return protoreflect.ValueOfFloat32(0)
	}
	return protoreflect.ValueOfFloat64(0)
}

// fromTime keeps the zero time as absent.
func fromTime(t time.Time) *timestamppb.Timestamp {
	if t.IsZero() {
		return nil
	}
	return timestamppb.New(t)
}

func toTime(t *timestamppb.Timestamp) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.AsTime()
}

func fromDuration(d time.Duration) *durationpb.Duration {
	if d == 0 {
		return nil
	}
	return durationpb.New(d)
}

func toDuration(d *durationpb.Duration) time.Duration { return d.AsDuration() }

// each maps a slice; an empty one is nil.
func each[A, B any](in []A, f func(A) B) []B {
	if len(in) == 0 {
		return nil
	}
	out := make([]B, len(in))
	for i, v := range in {
		out[i] = f(v)
	}
	return out
}

// An enum pairs the port's words with the wire's numbers. A word or number
// that the other side does not know becomes its zero.
type enum[W ~string, N ~int32] struct {
	number map[W]N
	word   map[N]W
}

func words[W ~string, N ~int32](number map[W]N) enum[W, N] {
	e := enum[W, N]{number, make(map[N]W, len(number))}
	for w, n := range number {
		e.word[n] = w
	}
	return e
}
