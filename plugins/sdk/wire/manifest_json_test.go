package wire_test

import (
	"math/rand"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

func TestManifestJSON(t *testing.T) {
	want := fill[social.Manifest](t, rand.New(rand.NewSource(1)))
	raw, err := wire.ManifestJSON(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := wire.ParseManifestJSON(raw)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	if again, _ := wire.ManifestJSON(got); string(again) != string(raw) {
		t.Errorf("not the same twice:\n%s\n%s", raw, again)
	}
}

func TestManifestJSONOfLater(t *testing.T) {
	m, err := wire.ParseManifestJSON([]byte(`{"id":"org.example","new":{"a":1}}`))
	if err != nil || m.ID != "org.example" {
		t.Errorf("%+v, %v", m, err)
	}
	if _, err := wire.ParseManifestJSON([]byte(`[]`)); err == nil {
		t.Error("no object was read as a manifest")
	}
}

func FuzzParseManifestJSON(f *testing.F) {
	raw, err := wire.ManifestJSON(social.Manifest{ID: "org.example", Settle: 1, Quotas: []social.Quota{{ID: "q"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, raw []byte) {
		m, err := wire.ParseManifestJSON(raw)
		if err != nil {
			return
		}
		if _, err := wire.ManifestJSON(m); err != nil {
			t.Fatal(err)
		}
	})
}
