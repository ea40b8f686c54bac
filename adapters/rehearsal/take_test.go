package rehearsal

import (
	"context"
	"testing"

	"github.com/carillonhq/carillon/ports/social"
)

// unseen is a platform that has the object already and does not show it.
type unseen struct{ commits, looks int }

func (u *unseen) Publish(_ context.Context, req social.PublishRequest) (social.Step, error) {
	if !req.Commit {
		return social.Step{Next: &social.Next{Commit: true}}, nil
	}
	u.commits++
	return social.Step{}, social.Fail(social.Duplicate, "tern.duplicate", "Tern has this post already.")
}

func (u *unseen) Find(context.Context, social.FindRequest) (social.Finding, error) {
	u.looks++
	return social.Finding{Verdict: social.Absent}, nil
}

func TestADuplicateThatIsAbsentIsAPersons(t *testing.T) {
	for _, dedup := range []social.Dedup{social.NativeKey, social.ByFind, social.NoDedup} {
		t.Run(string(dedup), func(t *testing.T) {
			proxy, _ := through(t)
			stage := &Stage{Proxy: proxy}
			stage.Manifest = social.Manifest{Dedup: dedup, Capabilities: []social.Capability{social.CanFind}}
			object, u := stage.Take(social.Account{ID: "ann"}, social.Call{}, social.Content{}), &unseen{}
			object.Run(t.Context(), stage, u, 0, nil)
			if object.Phase != Review || u.commits != 1 || u.looks != 1 {
				t.Errorf("%s after %d commits and %d lookups", object.Phase, u.commits, u.looks)
			}
		})
	}
}
