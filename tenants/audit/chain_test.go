package audit

import (
	"bytes"
	"testing"
	"time"
)

// What is hashed cannot be read in two ways: no two entries that differ have
// the same link.
func TestEveryFieldCounts(t *testing.T) {
	noon := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	base := Record{ID: "aud_1", Tenant: "ten_1", At: noon, RequestID: "req_1",
		Entry: Entry{Actor: "usr_1", Behind: "", Action: "post.edit", Subject: "post_1", Detail: map[string]string{"a": "b"}}}
	seen := map[Hash]string{link(Hash{}, 1, &base): "as it is"}
	for name, change := range map[string]func(*Record){
		"id":             func(r *Record) { r.ID = "aud_2" },
		"tenant":         func(r *Record) { r.Tenant = "ten_2" },
		"time":           func(r *Record) { r.At = noon.Add(time.Microsecond) },
		"actor":          func(r *Record) { r.Actor = "usr_2" },
		"behind":         func(r *Record) { r.Behind = "opr_1" },
		"action":         func(r *Record) { r.Action = "post.edi" },
		"subject":        func(r *Record) { r.Subject = "post_2" },
		"detail":         func(r *Record) { r.Detail = map[string]string{"a": "c"} },
		"no detail":      func(r *Record) { r.Detail = nil },
		"request":        func(r *Record) { r.RequestID = "req_2" },
		"moved boundary": func(r *Record) { r.Action, r.Subject = "post.editp", "ost_1" },
		"swapped":        func(r *Record) { r.Action, r.Subject = r.Subject, r.Action },
	} {
		r := base
		change(&r)
		h := link(Hash{}, 1, &r)
		if other, taken := seen[h]; taken {
			t.Errorf("%s hashes as %s does", name, other)
		}
		seen[h] = name
	}
	for name, h := range map[string]Hash{"another place": link(Hash{}, 2, &base), "another past": link(Hash{1}, 1, &base)} {
		if other, taken := seen[h]; taken {
			t.Errorf("%s hashes as %s does", name, other)
		}
	}
}

func TestDetailsAreShort(t *testing.T) {
	e := Of("usr_1", "x.y", "", "empty", "", "long", string(bytes.Repeat([]byte("é"), maxDetail)), "bad", "a\x00b\xff")
	if len(e.Detail["long"]) > maxDetail || e.Detail["bad"] != "ab" {
		t.Errorf("detail = %q", e.Detail)
	}
	if _, there := e.Detail["empty"]; there {
		t.Error("an empty value was kept")
	}
}

func TestOnlyOurKeysSign(t *testing.T) {
	seed := func(b byte) []byte { return bytes.Repeat([]byte{b}, 32) }
	ours, theirs, later := NewKeys(seed(1)), NewKeys(seed(2)), NewKeys(seed(3), seed(1))
	h := ours.sign("ten_1", Head{Seq: 7, Hash: Hash{9}, SealedAt: time.Unix(1, 0)})
	changed := h
	changed.Seq = 8
	renamed := theirs.sign("ten_1", Head{Seq: 7, Hash: Hash{9}, SealedAt: time.Unix(1, 0)})
	renamed.Key = h.Key
	for name, tc := range map[string]struct {
		keys *Keys
		head Head
		want bool
	}{
		"its own":                {ours, h, true},
		"an older one":           {later, h, true},
		"another installation's": {theirs, h, false},
		"changed":                {ours, changed, false},
		"signed by somebody":     {ours, renamed, false},
	} {
		if got := tc.keys.Signed("ten_1", tc.head); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	if ours.Signed("ten_2", h) {
		t.Error("a head was moved to another tenant")
	}
}
