package wire_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand"
	"reflect"
	"strings"
	"testing"
	"testing/quick"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// A value of any of the port's types, every field filled from the source.
func fill[T any](t *testing.T, r *rand.Rand) T {
	t.Helper()
	var out T
	set(t, r, reflect.ValueOf(&out).Elem(), reflect.TypeFor[T]().Name())
	return out
}

// vocabulary are the words of the port's enumerations; anything else would
// rightly be lost on the way.
var vocabulary = map[reflect.Type][]string{
	reflect.TypeFor[social.AuthKind]():   {"none", "oauth2", "form", "custom"},
	reflect.TypeFor[social.Dedup]():      {"native_key", "find", "none"},
	reflect.TypeFor[social.QuotaScope](): {"app", "tenant", "account"},
	reflect.TypeFor[social.Count]():      {"codepoints", "graphemes", "utf16", "bytes", "x_weighted"},
	reflect.TypeFor[social.MediaKind]():  {"image", "video", "audio"},
	reflect.TypeFor[social.Status]():     {"live", "processing", "in_review"},
	reflect.TypeFor[social.Verdict]():    {"found", "absent", "unsure"},
	reflect.TypeFor[social.Source]():     {"platform", "network", "plugin"},
	reflect.TypeFor[social.Kind](): {
		"auth_expired", "auth_revoked", "permission", "rate_limited", "invalid", "policy",
		"duplicate", "not_found", "unsupported", "transient", "permanent", "ambiguous",
	},
}

func set(t *testing.T, r *rand.Rand, v reflect.Value, path string) {
	switch v.Interface().(type) {
	case time.Time:
		v.Set(reflect.ValueOf(time.Unix(r.Int63n(4e9), r.Int63n(1e9)).UTC()))
		return
	case time.Duration:
		v.SetInt(r.Int63n(1e15))
		return
	case map[string]any:
		v.Set(reflect.ValueOf(map[string]any{"board": "b", "n": float64(r.Intn(9)), "list": []any{true, nil}}))
		return
	case error:
		v.Set(reflect.ValueOf(errors.New("cause")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(word(r, v.Type()))
	case reflect.Bool:
		v.SetBool(r.Intn(2) == 1 && path != "Fault.Local") // the host's own word
	case reflect.Int, reflect.Int64:
		v.SetInt(r.Int63n(1 << 40))
	case reflect.Float64:
		v.SetFloat(r.Float64())
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		set(t, r, v.Elem(), path)
	case reflect.Struct:
		for i := range v.NumField() {
			set(t, r, v.Field(i), path+"."+v.Type().Field(i).Name)
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1+r.Intn(2), 2))
		for i := range v.Len() {
			set(t, r, v.Index(i), path)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		key, elem := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		set(t, r, key, path)
		set(t, r, elem, path)
		v.SetMapIndex(key, elem)
	case reflect.Uint8:
		v.SetUint(uint64(r.Intn(256)))
	case reflect.Interface:
		v.Set(reflect.ValueOf(errors.New("cause")))
	default:
		t.Fatalf("%s: this test does not know how to fill a %s", path, v.Type())
	}
}

func word(r *rand.Rand, typ reflect.Type) string {
	if known := vocabulary[typ]; known != nil {
		return known[r.Intn(len(known))]
	}
	letters := []rune("aé漢🙂z")
	out := make([]rune, 1+r.Intn(5))
	for i := range out {
		out[i] = letters[r.Intn(len(letters))]
	}
	return string(out)
}

var same = cmp.Options{
	cmpopts.EquateEmpty(),
	cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) || a != nil && b != nil && a.Error() == b.Error() }),
}

// keeps checks that a value with every field set survives the wire's bytes.
func keeps[T any, M proto.Message](t *testing.T, from func(T) (M, error), to func(M) (T, error)) {
	t.Helper()
	t.Run(reflect.TypeFor[T]().Name(), func(t *testing.T) {
		r := rand.New(rand.NewSource(1))
		for range 50 {
			want := fill[T](t, r)
			m, err := from(want)
			if err != nil {
				t.Fatal(err)
			}
			got, err := to(reread(t, m))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Fatalf("lost on the wire (-sent +received):\n%s", diff)
			}
		}
	})
}

func reread[M proto.Message](t *testing.T, m M) M {
	t.Helper()
	wire.Clean(m)
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	out := m.ProtoReflect().New().Interface().(M)
	if err := proto.Unmarshal(b, out); err != nil {
		t.Fatal(err)
	}
	return out
}

// sure makes a mapping that cannot fail look like one that can.
func sure[A, B any](f func(A) B) func(A) (B, error) {
	return func(a A) (B, error) { return f(a), nil }
}

func TestEveryFieldSurvivesTheWire(t *testing.T) {
	keeps(t, sure(wire.FromManifest), sure(wire.ToManifest))
	keeps(t, sure(wire.FromCall), sure(wire.ToCall))
	keeps(t, sure(wire.FromCredential), sure(wire.ToCredential))
	keeps(t, sure(wire.FromAccount), sure(wire.ToAccount))
	keeps(t, sure(wire.FromConnect), sure(wire.ToConnect))
	keeps(t, wire.FromContent, wire.ToContent)
	keeps(t, wire.FromPublish, wire.ToPublish)
	keeps(t, wire.FromFind, wire.ToFind)
	keeps(t, sure(wire.FromFinding), sure(wire.ToFinding))
	keeps(t, sure(wire.FromMetricsRequest), sure(wire.ToMetricsRequest))
	keeps(t,
		func(f social.Fault) (*pb.Fault, error) { return wire.FromFault(&f), nil },
		func(f *pb.Fault) (social.Fault, error) { return *wire.ToFault(f), nil })
	keeps(t,
		func(m social.Metrics) (*pb.MetricSet, error) { return wire.FromMetrics([]social.Metrics{m})[0], nil },
		func(m *pb.MetricSet) (social.Metrics, error) { return wire.ToMetrics([]*pb.MetricSet{m})[0], nil })
}

func TestStepsKeepTheirOutcome(t *testing.T) {
	r := rand.New(rand.NewSource(2))
	next, receipt := fill[social.Next](t, r), fill[social.Receipt](t, r)
	for name, tt := range map[string]struct{ in, want social.Step }{
		"next":    {social.Step{Next: &next}, social.Step{Next: &next}},
		"receipt": {social.Step{Receipt: &receipt}, social.Step{Receipt: &receipt}},
		"none":    {},
		// A plugin that answers two things has proved neither.
		"both": {in: social.Step{Next: &next, Receipt: &receipt}},
	} {
		t.Run(name, func(t *testing.T) {
			got := wire.ToStep(reread(t, wire.FromStep(tt.in)))
			if diff := cmp.Diff(tt.want, got, same); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestScreensKeepTheirOutcome(t *testing.T) {
	done := social.Credential{AccessToken: "t", Public: map[string]string{"did": "d"}}
	for name, step := range map[string]social.ConnectStep{
		"redirect": {Redirect: "https://a.example/", State: []byte("s")},
		"form":     {Form: []byte(`{"type":"object"}`), State: []byte("s")},
		"done":     {Done: &done},
		"none":     {},
	} {
		t.Run(name, func(t *testing.T) {
			got := wire.ToConnectStep(reread(t, wire.FromConnectStep(step)))
			if diff := cmp.Diff(step, got, same); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEveryMessageMayBeEmpty(t *testing.T) {
	wire.ToManifest(nil)
	wire.ToConnect(nil)
	wire.ToStep(nil)
	wire.ToFinding(nil)
	wire.ToMetricsRequest(nil)
	wire.ToConnectStep(nil)
	if _, err := wire.ToPublish(nil); err != nil {
		t.Error(err)
	}
	if _, err := wire.ToFind(nil); err != nil {
		t.Error(err)
	}
}

func TestForeignWordsBecomeNothing(t *testing.T) {
	if got := wire.ToFault(&pb.Fault{Kind: 99}); got.Kind != "" {
		t.Errorf("kind 99 became %q", got.Kind)
	}
	// An unknown kind must read as the cautious one.
	if f := social.FaultOf(wire.ToFault(&pb.Fault{Kind: 99}), true); f.Kind != social.Ambiguous {
		t.Errorf("kind 99 in a commit is %q", f.Kind)
	}
	if got := wire.FromFault(&social.Fault{Kind: "teapot"}); got.Kind != pb.Fault_KIND_UNSPECIFIED {
		t.Errorf("teapot became %v", got.Kind)
	}
}

func TestTextsAreCutToWhatAJournalHolds(t *testing.T) {
	long := string(bytes.Repeat([]byte("é"), 4<<10))
	m := reread(t, wire.FromFault(&social.Fault{Kind: social.Invalid, Message: long, Upstream: long, Err: errors.New(long)}))
	f := wire.ToFault(m)
	if len(f.Upstream) > 2<<10 || len(f.Message) > 1<<10 || len(f.Err.Error()) > 2<<10 {
		t.Errorf("%d, %d and %d bytes passed", len(f.Upstream), len(f.Message), len(f.Err.Error()))
	}
}

func TestBrokenTextNeverFailsAMessage(t *testing.T) {
	err := quick.Check(func(key, value, list []byte) bool {
		m := wire.FromStep(social.Step{Receipt: &social.Receipt{
			Ref:      social.Ref{ID: string(key), Extra: map[string]string{string(key): string(value)}},
			Warnings: []string{string(list)},
		}})
		wire.Clean(m)
		_, err := proto.Marshal(m)
		return err == nil
	}, nil)
	if err != nil {
		t.Error(err)
	}
}

// What a platform answers ends in the journal, which takes neither NUL nor a
// number that is none.
func TestNothingReachesTheJournalThatItCannotHold(t *testing.T) {
	const bad = "a\x00b\xff"
	ref := social.Ref{ID: bad, URL: bad, Extra: map[string]string{bad: bad}}
	receipt := &social.Receipt{Ref: ref, Status: social.Live, Warnings: []string{bad}}
	for name, m := range map[string]proto.Message{
		"fault": wire.FromFault(&social.Fault{Kind: social.Invalid, Key: bad, Message: bad, Upstream: bad, Err: errors.New(bad), Missing: []string{bad},
			Violations: []fault.Violation{{Field: bad, Reason: bad, Message: bad, Limit: math.Inf(1), Actual: math.NaN()}}}),
		"next":    wire.FromStep(social.Step{Next: &social.Next{Label: bad}}),
		"receipt": wire.FromStep(social.Step{Receipt: receipt}),
		"finding": wire.FromFinding(social.Finding{Verdict: social.Found, Receipt: receipt}),
		"metrics": wire.FromMetrics([]social.Metrics{{Ref: ref, Values: map[string]float64{bad: 1, "n": math.NaN(), "m": math.Inf(-1)}}})[0],
		"account": wire.FromAccount(social.Account{ID: bad, Handle: bad, Name: bad, URL: bad, Public: map[string]string{bad: bad}}),
	} {
		t.Run(name, func(t *testing.T) {
			wire.Clean(m)
			text, err := protojson.Marshal(m)
			if err != nil {
				t.Fatal(err)
			}
			for _, no := range []string{`\u0000`, "NaN", "Infinity"} {
				if strings.Contains(string(text), no) {
					t.Errorf("%s passed: %s", no, text)
				}
			}
			if !strings.Contains(string(text), `"ab\ufffd"`) && !strings.Contains(string(text), "\"ab\uFFFD\"") {
				t.Errorf("too much was lost: %s", text)
			}
		})
	}
}

// A text that grows when it is mended is cut once more by the host.
func TestACutTextStaysText(t *testing.T) {
	for n := range 4 {
		m := wire.FromFault(&social.Fault{Kind: social.Invalid, Upstream: strings.Repeat("\xff", n) + strings.Repeat("é", 4<<10)})
		if f := wire.ToFault(reread(t, m)); !utf8.ValidString(f.Upstream) {
			t.Errorf("%d: %q", n, f.Upstream[len(f.Upstream)-4:])
		}
	}
}

// FuzzManifest feeds the mapping whatever a plugin may send: it must not
// panic, and what it understood must survive another trip.
func FuzzManifest(f *testing.F) {
	seed, err := proto.Marshal(wire.FromManifest(social.Manifest{ID: "org.example", Auth: social.Auth{Kind: social.AuthNone}}))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(seed)
	f.Add([]byte{0xa2, 0x01, 0x00})
	f.Fuzz(func(t *testing.T, b []byte) {
		var m pb.Manifest
		if proto.Unmarshal(b, &m) != nil {
			return
		}
		once := wire.ToManifest(&m)
		again := wire.ToManifest(wire.FromManifest(once))
		if diff := cmp.Diff(once, again, same); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzPublish does the same for the request that carries free JSON.
func FuzzPublish(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "text", []byte("state"))
	f.Add([]byte(`[`), "\xff", []byte(nil))
	f.Fuzz(func(t *testing.T, settings []byte, text string, state []byte) {
		m := &pb.PublishRequest{Content: &pb.Content{SettingsJson: settings, Text: text}, State: state}
		req, err := wire.ToPublish(m)
		if err != nil {
			return
		}
		back, err := wire.FromPublish(req)
		if err != nil {
			t.Fatal(err)
		}
		wire.Clean(back)
		if _, err := proto.Marshal(back); err != nil {
			t.Error(err)
		}
	})
}
