package events_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/events/eventstest"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func TestMemoryStore(t *testing.T) {
	eventstest.Run(t, func(*testing.T) (events.Store, tenants.ID, tenants.ID) {
		return new(eventstest.Store), tenants.NewID(), tenants.NewID()
	})
}

func TestList(t *testing.T) {
	w := setup(t)
	var want, got []events.ID
	for range 45 {
		want = append(want, w.emit(t, events.PostCreated))
		w.emit(t, events.MediaReady)
	}
	q := events.Query{Types: []events.Filter{"post.*"}}
	for more := true; more; {
		page, err := w.List(t.Context(), w.us, q)
		must(t, err)
		for _, e := range page.Events {
			got = append(got, e.ID)
		}
		q.After, more = page.Next, page.More
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	page, err := w.List(t.Context(), w.us, events.Query{After: q.After, Types: q.Types})
	if err != nil || len(page.Events) != 0 || page.Next != q.After {
		t.Errorf("after the last: %+v, %v", page, err)
	}
}

func TestListRefuses(t *testing.T) {
	w := setup(t)
	for name, tc := range map[string]struct {
		q     events.Query
		field string
	}{
		"rubbish":       {events.Query{After: "x"}, "/query/cursor"},
		"unknown":       {events.Query{After: events.Cursor(events.NewID())}, "/query/cursor"},
		"too many":      {events.Query{Limit: 101}, "/query/limit"},
		"fewer than no": {events.Query{Limit: -1}, "/query/limit"},
		"unknown type":  {events.Query{Types: []events.Filter{"post.exploded"}}, "/types/0"},
	} {
		_, err := w.List(t.Context(), w.us, tc.q)
		if f := fault.Of(err); f == nil || f.Code != fault.Invalid || f.Field != tc.field {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestResume(t *testing.T) {
	w := setup(t)
	if from, reset, err := w.Resume(t.Context(), w.us, ""); err != nil || reset || from.Cursor != events.Start {
		t.Errorf("nothing yet: %+v, %v, %v", from, reset, err)
	}
	old := w.emit(t, events.PostCreated)
	w.now = w.now.Add(time.Hour)
	recent := w.emit(t, events.PostCreated)
	w.now = w.now.Add(events.ResumeWindow)
	head := w.emit(t, events.PostCreated)
	for name, tc := range map[string]struct {
		last  events.Cursor
		from  events.ID
		reset bool
	}{
		"new here": {"", head, false}, "within the window": {events.Cursor(recent), recent, false},
		"too old": {events.Cursor(old), head, true}, "unknown": {events.Cursor(events.NewID()), head, true}, "rubbish": {"x", head, true},
	} {
		from, reset, err := w.Resume(t.Context(), w.us, tc.last)
		if err != nil || string(from.Cursor) != string(tc.from) || reset != tc.reset {
			t.Errorf("%s: %+v, %v, %v", name, from, reset, err)
		}
	}
}

func TestTypes(t *testing.T) {
	for _, typ := range append(events.Types(), events.WebhookTest) {
		if !typ.Valid() {
			t.Errorf("%s is not valid", typ)
		}
	}
	for _, bad := range []events.Type{"", "post", "post.", ".created", "Post.created", "post.created.", "a.b.c.d", "post created", "post.créé"} {
		if bad.Valid() {
			t.Errorf("%q is valid", bad)
		}
	}
}

// What a context emits by name can be subscribed to by name.
func TestWhatIsEmittedIsListed(t *testing.T) {
	call := regexp.MustCompile(`[eE]mit\(ctx, (?:tx, )?"([^"]+)"`)
	files, err := filepath.Glob("../*/*.go")
	must(t, err)
	found := 0
	for _, file := range files {
		source, err := os.ReadFile(file)
		must(t, err)
		for _, m := range call.FindAllSubmatch(source, -1) {
			if found++; !slices.Contains(events.Types(), events.Type(m[1])) {
				t.Errorf("%s emits %q, which Types does not list", file, m[1])
			}
		}
	}
	if found == 0 {
		t.Error("found no call at all: the test is blind")
	}
}

// The kernel acting by itself names no request; data never hides the name.
func TestEnvelope(t *testing.T) {
	e := events.Event{ID: "evt_1", Tenant: "ten_1", Type: events.PostFailed, Subject: id.New("zzz"), Data: []byte(`{"id":"spoof","n":1}`), At: time.Unix(0, 0)}
	body, err := e.Envelope()
	must(t, err)
	want := `{"id":"evt_1","object":"event","type":"post.failed","timestamp":"1970-01-01T00:00:00Z","tenant":"ten_1",` +
		`"data":{"id":"` + e.Subject + `","n":1,"object":"zzz"},"request":{"id":null,"idempotency_key":null}}`
	if diff := cmp.Diff(want, string(body)); diff != "" {
		t.Error(diff)
	}
}

func FuzzCursor(f *testing.F) {
	f.Add("")
	f.Add("0")
	f.Add(string(events.NewID()))
	f.Add("evt_'; drop table events; --")
	f.Fuzz(func(t *testing.T, s string) {
		if c := events.Cursor(s); c.Valid() && c != events.Start && !id.Is("evt", s) {
			t.Errorf("%q passed", s)
		}
	})
}

func FuzzFilter(f *testing.F) {
	f.Add("post.*", "post.created")
	f.Add("*", "post.created")
	f.Add(".*", "post.created")
	f.Fuzz(func(t *testing.T, filter, typ string) {
		if !events.Filter(filter).Match(events.Type(typ)) || filter == "*" || filter == typ {
			return
		}
		noun := filter[:len(filter)-1]
		if len(typ) < len(noun) || typ[:len(noun)] != noun || noun[len(noun)-1] != '.' {
			t.Errorf("%q matches %q", filter, typ)
		}
	})
}

func FuzzEnvelope(f *testing.F) {
	f.Add([]byte(`{"a":1}`), "post")
	f.Fuzz(func(t *testing.T, data []byte, subject string) {
		e := events.Event{Data: data, Subject: subject}
		if body, err := e.Envelope(); err == nil && !json.Valid(body) {
			t.Errorf("%q gives %q", data, body)
		}
	})
}

// Everything that can be subscribed to is explained.
func TestTypesAreExplained(t *testing.T) {
	page, err := os.ReadFile("../../docs/events.md")
	must(t, err)
	for _, typ := range append(events.Types(), events.WebhookTest) {
		if !strings.Contains(string(page), "`"+string(typ)+"`") {
			t.Errorf("docs/events.md does not explain %s", typ)
		}
	}
}
