package httpapi

import (
	"context"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// many has as many posts as it is asked for.
type many struct{ Posts }

func (many) List(_ context.Context, _ tenants.Scope, f publishing.Filter) ([]*publishing.Detail, error) {
	all := make([]*publishing.Detail, f.Limit)
	for i := range all {
		all[i] = &publishing.Detail{Post: publishing.NewPost(publishing.Content{}, "usr_x")}
	}
	return all, nil
}

// A window with more posts than one answer holds says so: what is missing from
// a calendar without a word is forgotten.
func TestAWindowSaysThatItHasMore(t *testing.T) {
	from := time.Date(2031, 3, 1, 0, 0, 0, 0, time.UTC)
	until := from.AddDate(0, 1, 0)
	s := &Server{Posts: many{}}
	ctx := tenants.NewContext(context.Background(), tenants.Scope{Tenant: tenants.NewID(), User: "usr_x"})
	answer, err := s.ListPosts(ctx, api.ListPostsRequestObject{Params: api.ListPostsParams{ScheduledFrom: &from, ScheduledUntil: &until}})
	if err != nil {
		t.Fatal(err)
	}
	got, ok := answer.(api.ListPosts200JSONResponse)
	if !ok || len(got.Data) != maxCalendar || !got.HasMore || got.NextCursor != nil {
		t.Errorf("%T: %d posts, more: %v, next: %v", answer, len(got.Data), got.HasMore, got.NextCursor)
	}
}
