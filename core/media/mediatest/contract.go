package mediatest

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Open returns a store and two tenants that exist in it and have no files.
type Open func(t *testing.T) (s media.Store, us, them tenants.ID)

// Run holds a Store to its contract.
func Run(t *testing.T, open Open) {
	for name, test := range map[string]func(*testing.T, *bench){
		"what is saved is found":             savedIsFound,
		"another tenant's file is not there": foreign,
		"nobody sees nothing":                nobody,
		"a failed update leaves nothing":     rollback,
		"a stale save conflicts":             stale,
		"a bad file is refused":              bad,
		"pages are newest first and ready":   pages,
		"some leaves out the unknown":        some,
		"what was left behind is found":      leftBehind,
		"dropping twice succeeds":            drop,
	} {
		t.Run(name, func(t *testing.T) {
			s, us, them := open(t)
			test(t, &bench{s: s, us: us, them: them})
		})
	}
}

// At is when the files of New were created.
var At = time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)

// New returns a sound file that has not been saved, created at that time.
func New(at time.Time, state media.State) *media.Media {
	return &media.Media{
		ID: media.NewID(at), Kind: social.Image, MIME: "image/png", Bytes: 68, SHA256: strings.Repeat("0a", 32),
		Width: 3, Height: 2, Alt: "a bell", Name: "bell.png", State: state, CreatedBy: "usr_x", CreatedAt: at,
	}
}

type bench struct {
	s        media.Store
	us, them tenants.ID
}

func (b *bench) save(t *testing.T, files ...*media.Media) {
	t.Helper()
	for _, m := range files {
		if err := b.s.Update(t.Context(), b.us, func(tx media.Tx) error { return tx.Save(t.Context(), m) }); err != nil {
			t.Fatal(err)
		}
	}
}

func (b *bench) get(ctx context.Context, who tenants.ID, id media.ID) (m *media.Media, err error) {
	err = b.s.View(ctx, who, func(tx media.Tx) (err error) {
		m, err = tx.Media(ctx, id)
		return err
	})
	return m, err
}

func savedIsFound(t *testing.T, b *bench) {
	m := New(At, media.Ready)
	b.save(t, m)
	got, err := b.get(t.Context(), b.us, m.ID)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(m, got); diff != "" {
		t.Error(diff)
	}
}

func foreign(t *testing.T, b *bench) {
	m := New(At, media.Ready)
	b.save(t, m)
	_, theirs := b.get(t.Context(), b.them, m.ID)
	_, nothing := b.get(t.Context(), b.them, media.NewID(At))
	if !fault.Is(theirs, fault.NotFound) || fault.Of(theirs).Message != fault.Of(nothing).Message {
		t.Errorf("foreign: %v, random: %v", theirs, nothing)
	}
	if got := b.page(t, b.them, "", 10); len(got) != 0 {
		t.Errorf("their page shows our files: %v", got)
	}
}

func nobody(t *testing.T, b *bench) {
	m := New(At, media.Ready)
	b.save(t, m)
	if _, err := b.get(t.Context(), "", m.ID); err == nil {
		t.Error("an empty tenant read a file")
	}
}

func rollback(t *testing.T, b *bench) {
	m, boom := New(At, media.Ready), errors.New("boom")
	err := b.s.Update(t.Context(), b.us, func(tx media.Tx) error {
		return errors.Join(tx.Save(t.Context(), m), tx.Announce(t.Context(), m), boom)
	})
	if !errors.Is(err, boom) {
		t.Fatalf("err = %v, want boom", err)
	}
	if _, err := b.get(t.Context(), b.us, m.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("err = %v, want %s", err, fault.NotFound)
	}
}

func stale(t *testing.T, b *bench) {
	m := New(At, media.Uploading)
	b.save(t, m)
	old := *m
	m.State = media.Ready
	b.save(t, m)
	again := *m
	again.Version = 0
	for name, m := range map[string]*media.Media{"older": &old, "new with a known id": &again} {
		err := b.s.Update(t.Context(), b.us, func(tx media.Tx) error { return tx.Save(t.Context(), m) })
		if !fault.Is(err, fault.Conflict) {
			t.Errorf("%s: err = %v, want %s", name, err, fault.Conflict)
		}
	}
}

func bad(t *testing.T, b *bench) {
	m := New(At, media.Ready)
	m.Alt = strings.Repeat("x", media.MaxAlt+1)
	err := b.s.Update(t.Context(), b.us, func(tx media.Tx) error { return tx.Save(t.Context(), m) })
	if !fault.Is(err, fault.Invalid) {
		t.Errorf("err = %v, want %s", err, fault.Invalid)
	}
}

func (b *bench) page(t *testing.T, who tenants.ID, before media.ID, limit int) (ids []media.ID) {
	t.Helper()
	err := b.s.View(t.Context(), who, func(tx media.Tx) error {
		files, err := tx.Page(t.Context(), before, limit)
		ids = names(files)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

func pages(t *testing.T, b *bench) {
	one, two, three := New(At, media.Ready), New(At.Add(time.Second), media.Ready), New(At.Add(2*time.Second), media.Ready)
	b.save(t, two, New(At.Add(time.Minute), media.Uploading), one, three)
	if diff := cmp.Diff([]media.ID{three.ID, two.ID}, b.page(t, b.us, "", 2)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]media.ID{one.ID}, b.page(t, b.us, two.ID, 2)); diff != "" {
		t.Error(diff)
	}
}

func some(t *testing.T, b *bench) {
	one, two := New(At, media.Ready), New(At.Add(time.Second), media.Ready)
	b.save(t, one, two)
	err := b.s.View(t.Context(), b.us, func(tx media.Tx) error {
		files, err := tx.Some(t.Context(), []media.ID{media.NewID(At), one.ID, one.ID})
		if diff := cmp.Diff([]media.ID{one.ID}, names(files)); diff != "" {
			t.Error(diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func leftBehind(t *testing.T, b *bench) {
	old, gone := New(At, media.Uploading), New(At.Add(time.Second), media.Discarded)
	b.save(t, old, gone, New(At.Add(time.Hour), media.Uploading), New(At, media.Ready))
	err := b.s.View(t.Context(), b.us, func(tx media.Tx) error {
		files, err := tx.Stale(t.Context(), At.Add(time.Minute), 10)
		got := map[media.ID]bool{}
		for _, m := range files {
			got[m.ID] = true
		}
		if diff := cmp.Diff(map[media.ID]bool{old.ID: true, gone.ID: true}, got); diff != "" {
			t.Error(diff)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}

func drop(t *testing.T, b *bench) {
	m := New(At, media.Ready)
	b.save(t, m)
	for range 2 {
		if err := b.s.Update(t.Context(), b.us, func(tx media.Tx) error { return tx.Drop(t.Context(), m.ID) }); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.get(t.Context(), b.us, m.ID); !fault.Is(err, fault.NotFound) {
		t.Errorf("err = %v, want %s", err, fault.NotFound)
	}
}

func names(files []*media.Media) (ids []media.ID) {
	for _, m := range files {
		ids = append(ids, m.ID)
	}
	return ids
}
