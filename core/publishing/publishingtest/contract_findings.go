package publishingtest

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

func findings(t *testing.T, o Opened) {
	p := draft(o.Ours)
	update(t, o.Store, o.Us, savePost(p))
	long := publishing.Finding{Post: p.ID, Channel: o.Ours, Version: p.Version, Violations: []fault.Violation{
		{Field: "/segments/0/text", Reason: "text.too_long", Message: "At most 3 characters here.", Limit: 3, Actual: 5},
	}}
	other := long
	other.Version, other.Violations = p.Version+1, []fault.Violation{{Field: "/channels/0/format", Reason: "channel.no_format", Message: "There is no such format."}}
	fine := publishing.Finding{Post: p.ID, Channel: o.Ours}
	for _, step := range []struct {
		save publishing.Finding
		want []publishing.Finding
	}{{long, []publishing.Finding{long}}, {other, []publishing.Finding{other}}, {fine, nil}, {fine, nil}, {long, []publishing.Finding{long}}} {
		update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error { return tx.SaveFinding(ctx, step.save) })
		if diff := cmp.Diff(step.want, read(t, o.Store, o.Us, p.ID), cmpopts.EquateEmpty()); diff != "" {
			t.Error(diff)
		}
	}
	if n := risky(t, o, p.ID); n != 0 {
		t.Errorf("a draft is listed as at risk")
	}
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error { return tx.SetState(ctx, p.ID, publishing.Scheduled) })
	if n := risky(t, o, p.ID); n != 1 {
		t.Errorf("listed %d times as at risk, want once", n)
	}
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error { return tx.SaveFinding(ctx, other) })
	if n := risky(t, o, p.ID); n != 0 {
		t.Errorf("what is said of another version counts")
	}
	if got := read(t, o.Store, o.Them, p.ID); len(got) != 0 {
		t.Errorf("another tenant reads %+v", got)
	}
	look := publishing.Look{Tenant: o.Us, Channel: o.Ours, Rules: "a", Version: 1, After: p.ID}
	for _, done := range []bool{false, true, true} {
		update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error { return tx.SaveLook(ctx, look, done) })
	}
	update(t, o.Store, o.Us, func(ctx context.Context, tx publishing.Tx) error { return tx.DeletePost(ctx, p.ID) })
}

// risky is how often the list of what is at risk names id.
func risky(t *testing.T, o Opened, id publishing.PostID) (n int) {
	t.Helper()
	err := o.Store.View(t.Context(), o.Us, func(ctx context.Context, tx publishing.Tx) error {
		posts, err := tx.Posts(ctx, publishing.Filter{AtRisk: true, Limit: 100})
		for _, p := range posts {
			if p.ID == id {
				n++
			}
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func read(t *testing.T, s publishing.Store, who tenants.ID, id publishing.PostID) (out []publishing.Finding) {
	t.Helper()
	err := s.View(t.Context(), who, func(ctx context.Context, tx publishing.Tx) (err error) {
		out, err = tx.Findings(ctx, id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
