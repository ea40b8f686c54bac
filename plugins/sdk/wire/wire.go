// Package wire maps ports/social to the protobuf messages and back.
//
// Both ends use it: the SDK in the plugin and the host. A mapping is one
// function, FromX to the wire and ToX from it, and a round trip keeps every
// field; empty and nil are the same. Strings are repaired to valid UTF-8 by
// Clean just before they are sent, because one stray byte of a platform's
// error page would otherwise fail the whole message, and after a commit that
// costs a search for a post whose fate was known. Start with publish.go.
package wire

import (
	"strings"
	"time"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// MaxMessage is the largest message either side accepts, in bytes.
const MaxMessage = 4 << 20

// Clean repairs every string in m to valid UTF-8.
func Clean(m proto.Message) { clean(m.ProtoReflect()) }

func clean(m protoreflect.Message) {
	m.Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.IsMap():
			cleanMap(f, v.Map())
		case f.IsList():
			cleanList(f, v.List())
		case f.Message() != nil:
			clean(v.Message())
		case f.Kind() == protoreflect.StringKind && !utf8.ValidString(v.String()):
			m.Set(f, valid(v))
		}
		return true
	})
}

func cleanList(f protoreflect.FieldDescriptor, l protoreflect.List) {
	for i := range l.Len() {
		switch {
		case f.Message() != nil:
			clean(l.Get(i).Message())
		case f.Kind() == protoreflect.StringKind:
			l.Set(i, valid(l.Get(i)))
		}
	}
}

// cleanMap repairs a map; all maps of the wire have string keys.
func cleanMap(f protoreflect.FieldDescriptor, m protoreflect.Map) {
	isText := f.MapValue().Kind() == protoreflect.StringKind
	var broken []protoreflect.MapKey
	m.Range(func(k protoreflect.MapKey, v protoreflect.Value) bool {
		if !utf8.ValidString(k.String()) || isText && !utf8.ValidString(v.String()) {
			broken = append(broken, k)
		}
		return true
	})
	for _, k := range broken {
		v := m.Get(k)
		m.Clear(k)
		if isText {
			v = valid(v)
		}
		m.Set(valid(k.Value()).MapKey(), v)
	}
}

func valid(v protoreflect.Value) protoreflect.Value {
	return protoreflect.ValueOfString(strings.ToValidUTF8(v.String(), "\uFFFD"))
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
