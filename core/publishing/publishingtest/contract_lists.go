package publishingtest

import (
	"context"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

func lists(t *testing.T, o Opened) {
	at := time.Date(2031, 5, 1, 12, 0, 0, 0, time.UTC)
	var ids []publishing.PostID
	for i := range 3 {
		p := draft(o.Ours)
		p.Schedule.At = at.AddDate(0, 0, i)
		update(t, o.Store, o.Us, savePost(p))
		ids = append(ids, p.ID)
	}
	for name, tc := range map[string]struct {
		f    publishing.Filter
		want []publishing.PostID
	}{
		"newest first": {publishing.Filter{Limit: 10}, []publishing.PostID{ids[2], ids[1], ids[0]}},
		"a page":       {publishing.Filter{Limit: 1, After: ids[2]}, []publishing.PostID{ids[1]}},
		"a window":     {publishing.Filter{From: at, To: at.AddDate(0, 0, 2), Limit: 10}, []publishing.PostID{ids[0], ids[1]}},
		"a channel":    {publishing.Filter{Channel: o.Theirs, Limit: 10}, nil},
		"a state":      {publishing.Filter{States: []publishing.State{publishing.Published}, Limit: 10}, nil},
	} {
		err := o.Store.View(t.Context(), o.Us, func(ctx context.Context, tx publishing.Tx) error {
			posts, err := tx.Posts(ctx, tc.f)
			var got []publishing.PostID
			for _, p := range posts {
				got = append(got, p.ID)
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("%s: %s", name, d)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func calendar(t *testing.T, o Opened) {
	at := time.Date(2032, 5, 1, 12, 0, 0, 0, time.UTC)
	p := draft(o.Ours)
	p.Schedule = publishing.Schedule{Local: "2032-05-01T13:00:00", Zone: "Europe/Lisbon", At: at}
	p.Content.Parts[0] = publishing.Part{Text: "\n  Bells at seven \nand more", Media: []publishing.Attachment{{Media: "med_1"}, {Media: "med_2"}}}
	p.Content.Variants = append(p.Content.Variants, publishing.Variant{Channel: o.Theirs})
	bare := publishing.NewPost(publishing.Content{Parts: []publishing.Part{{Text: "to nobody"}}}, "usr_1")
	bare.Schedule.At = at.Add(time.Hour)
	late := draft(o.Ours)
	late.Schedule.At = at.AddDate(0, 0, 7)
	for _, p := range []*publishing.Post{bare, p, late} {
		update(t, o.Store, o.Us, savePost(p))
	}
	window := publishing.Filter{From: at, To: at.AddDate(0, 0, 7), Limit: 10}
	first := publishing.Entry{ID: p.ID, State: publishing.Draft, At: at, Zone: "Europe/Lisbon", Text: "Bells at seven", Media: "med_1", Parts: 2, Channels: []channels.ID{o.Ours, o.Theirs}}
	second := publishing.Entry{ID: bare.ID, State: publishing.Draft, At: bare.Schedule.At, Text: "to nobody", Parts: 1}
	onChannel := window
	onChannel.Channel = o.Ours
	for _, tc := range []struct {
		who  tenants.ID
		f    publishing.Filter
		want []publishing.Entry
	}{
		{o.Us, window, []publishing.Entry{first, second}},
		{o.Us, onChannel, []publishing.Entry{first}},
		{o.Them, window, nil},
	} {
		err := o.Store.View(t.Context(), tc.who, func(ctx context.Context, tx publishing.Tx) error {
			got, err := tx.Calendar(ctx, tc.f)
			same(t, tc.want, got)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func deletes(t *testing.T, o Opened) {
	p := draft(o.Ours)
	d := delivery(p, o.Ours, time.Now().Add(time.Hour))
	update(t, o.Store, o.Us, saveBoth(p, d))
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error { return tx.DeletePost(ctx, p.ID) })
	err := o.Store.View(t.Context(), o.Us, func(ctx context.Context, tx publishing.Tx) error {
		ds, err := tx.Deliveries(ctx, p.ID)
		if len(ds) != 0 {
			t.Errorf("%d deliveries are left", len(ds))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// otherThan returns id with another last digit.
func otherThan(id string) string {
	if last := len(id) - 1; id[last] != '0' {
		return id[:last] + "0"
	}
	return id[:len(id)-1] + "1"
}
