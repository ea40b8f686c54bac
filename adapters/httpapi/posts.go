package httpapi

import (
	"context"
	"encoding/json"
	"strings"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/adapters/httpapi/strictjson"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Posts is what the HTTP surface uses of publishing.Service.
type Posts interface {
	Create(ctx context.Context, who tenants.Scope, c publishing.Content, when publishing.Schedule) (*publishing.Detail, error)
	CreateMany(ctx context.Context, who tenants.Scope, all []publishing.Composed, atomic bool) ([]publishing.Made, error)
	Edit(ctx context.Context, who tenants.Scope, id publishing.PostID, version int, c publishing.Content, when publishing.Schedule) (*publishing.Detail, error)
	Delete(ctx context.Context, who tenants.Scope, id publishing.PostID, version int) error
	Get(ctx context.Context, who tenants.Scope, id publishing.PostID) (*publishing.Detail, error)
	List(ctx context.Context, who tenants.Scope, f publishing.Filter) ([]*publishing.Detail, error)
	Calendar(ctx context.Context, who tenants.Scope, f publishing.Filter) ([]publishing.Entry, error)
	Validate(ctx context.Context, who tenants.Scope, c publishing.Content, when publishing.Schedule) ([]fault.Violation, error)
	Schedule(ctx context.Context, who tenants.Scope, id publishing.PostID, version int, when publishing.Schedule) (*publishing.Detail, error)
	Publish(ctx context.Context, who tenants.Scope, id publishing.PostID, version int) (*publishing.Detail, error)
	Cancel(ctx context.Context, who tenants.Scope, id publishing.PostID) (*publishing.Detail, error)
	Receipt(ctx context.Context, who tenants.Scope, id publishing.PostID) (*publishing.Receipt, error)
	Settle(ctx context.Context, who tenants.Scope, post publishing.PostID, seg publishing.SegmentID, v publishing.Verdict, url string) (*publishing.Detail, error)
	Metrics(ctx context.Context, who tenants.Scope, id publishing.PostID) ([]publishing.Measured, error)
	AskMetrics(ctx context.Context, who tenants.Scope, id publishing.PostID) (job string, err error)
	Settings(ctx context.Context, who tenants.Scope) (publishing.Settings, error)
	UpdateSettings(ctx context.Context, who tenants.Scope, rules publishing.Settings) error
}

// maxCalendar is the most posts of one window.
const maxCalendar = 10_000

// ListPosts implements GET /posts.
func (s *Server) ListPosts(ctx context.Context, req api.ListPostsRequestObject) (api.ListPostsResponseObject, error) {
	who, q, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	calendar, err := window(req.Params.ScheduledFrom, req.Params.ScheduledUntil)
	if err != nil {
		return nil, err
	}
	f := publishing.Filter{
		From: or(req.Params.ScheduledFrom), To: or(req.Params.ScheduledUntil),
		Channel: channels.ID(or(req.Params.Channel)), AtRisk: or(req.Params.AtRisk), After: publishing.PostID(q.after), Limit: q.limit + 1,
	}
	if req.Params.State != nil {
		f.States = []publishing.State{publishing.State(*req.Params.State)}
	}
	if calendar {
		q.limit = maxCalendar
		f.Limit = maxCalendar + 1
	}
	if f.Reverse, err = reversed(req.Params.Sort, calendar); err != nil {
		return nil, err
	}
	posts, err := s.Posts.List(ctx, who, f)
	if err != nil {
		return nil, err
	}
	out := api.ListPosts200JSONResponse{HasMore: len(posts) > q.limit}
	if out.HasMore {
		posts = posts[:q.limit]
	}
	if out.HasMore && !calendar { // a window goes on in a narrower window
		out.NextCursor = s.next(ctx, string(posts[q.limit-1].ID))
	}
	out.Data = each(posts, toPost)
	return out, nil
}

// reversed reports whether a list is to go the other way than it does by itself.
func reversed(sort *api.ListPostsParamsSort, calendar bool) (bool, error) {
	own, other := api.MinusCreatedAt, api.CreatedAt
	if calendar {
		own, other = api.ScheduledAt, api.MinusScheduledAt
	}
	switch {
	case sort == nil, *sort == own:
		return false, nil
	case *sort == other:
		return true, nil
	}
	return false, fault.New(fault.Invalid, "page.bad_sort", "This list can be sorted by %s or %s.", own, other).On("/query/sort")
}

// CreatePost implements POST /posts.
func (s *Server) CreatePost(ctx context.Context, req api.CreatePostRequestObject) (api.CreatePostResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	content, when, err := fromPost(*req.Body)
	if err != nil {
		return nil, err
	}
	d, err := s.posts(ctx, req.Params.DryRun).Create(ctx, who, content, when)
	if err != nil {
		return nil, asSent(err, or(req.Body.Schedule), "/schedule")
	}
	etag(ctx, d.Version)
	return api.CreatePost201JSONResponse(toPost(d)), nil
}

// ValidatePost implements POST /posts:validate.
func (s *Server) ValidatePost(ctx context.Context, req api.ValidatePostRequestObject) (api.ValidatePostResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	in := *req.Body
	when, untimely := fromSchedule(in.Schedule, "/schedule")
	in.Schedule = nil
	content, _, err := fromPost(in)
	if err != nil {
		return nil, err
	}
	if untimely != nil {
		when = publishing.Schedule{}
	}
	found, err := s.Posts.Validate(ctx, who, content, when)
	if err != nil {
		return nil, err
	}
	if f := fault.Of(untimely); f != nil {
		found = append(found, fault.Violation{Field: f.Field, Reason: f.Reason, Message: f.Message})
	}
	for i, v := range found {
		if member, ok := strings.CutPrefix(v.Field, "/schedule"); ok {
			found[i].Field = "/schedule" + sentMember(member, or(req.Body.Schedule))
		}
	}
	errors := fields(found)
	if errors == nil {
		errors = []api.FieldError{}
	}
	return api.ValidatePost200JSONResponse{Ok: fault.Check(found) == nil, Errors: errors}, nil
}

// GetPost implements GET /posts/{post}.
func (s *Server) GetPost(ctx context.Context, req api.GetPostRequestObject) (api.GetPostResponseObject, error) {
	with, err := included(req.Params.Include)
	if err != nil {
		return nil, err
	}
	d, err := s.post(ctx, req.Post, func(who tenants.Scope, id publishing.PostID) (*publishing.Detail, error) {
		return s.Posts.Get(ctx, who, id)
	})
	if err == nil {
		err = s.include(ctx, &d, with)
	}
	return api.GetPost200JSONResponse(d), err
}

// UpdatePost implements PATCH /posts/{post}.
func (s *Server) UpdatePost(ctx context.Context, req api.UpdatePostRequestObject) (api.UpdatePostResponseObject, error) {
	d, err := s.post(ctx, req.Post, func(who tenants.Scope, id publishing.PostID) (*publishing.Detail, error) {
		now, err := s.Posts.Get(ctx, who, id)
		if err != nil {
			return nil, err
		}
		version, err := basedOn(ctx, now.Version)
		if err != nil {
			return nil, err
		}
		next, err := patched(now, *req.Body)
		if err != nil || strictjson.Same(toInput(now), next) {
			return now, err
		}
		content, when, err := fromPost(next)
		if err != nil {
			return nil, err
		}
		d, err := s.Posts.Edit(ctx, who, id, version, content, when)
		return d, asSent(err, or(next.Schedule), "/schedule")
	})
	return api.UpdatePost200JSONResponse(d), err
}

// patched is the post as the patch would have it. A time replaces one that was
// written the other way.
func patched(d *publishing.Detail, patch json.RawMessage) (next api.PostInput, err error) {
	current := toInput(d)
	var said map[string]json.RawMessage
	_ = json.Unmarshal(patch, &said) // Merge says what is wrong with it
	schedule, timed := said["schedule"]
	var time map[string]json.RawMessage
	_ = json.Unmarshal(schedule, &time)
	if _, instant := time["publish_at"]; instant && current.Schedule != nil {
		current.Schedule.LocalTime = nil
	}
	if next, err = strictjson.Merge(current, patch); err != nil {
		return next, err
	}
	if timed && next.Schedule == nil && d.State == publishing.Scheduled && d.Schedule.Local == "" {
		return next, fault.New(fault.Conflict, "post.not_planned", "This post goes out now, not at a time that could be taken away. Cancel it to stop it.").On("/schedule")
	}
	return next, nil
}

// DeletePost implements DELETE /posts/{post}.
func (s *Server) DeletePost(ctx context.Context, req api.DeletePostRequestObject) (api.DeletePostResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	id := publishing.PostID(req.Post)
	version, err := versionOr(ctx, s.postVersion(ctx, who, id))
	if err != nil {
		return nil, err
	}
	if err := s.Posts.Delete(ctx, who, id, version); err != nil {
		return nil, raced(err, s.postVersion(ctx, who, id))
	}
	return api.DeletePost204Response{}, nil
}

// SchedulePost implements POST /posts/{post}:schedule.
func (s *Server) SchedulePost(ctx context.Context, req api.SchedulePostRequestObject) (api.SchedulePostResponseObject, error) {
	when, err := fromSchedule(req.Body, "")
	if err != nil {
		return nil, err
	}
	d, err := s.post(ctx, req.Post, func(who tenants.Scope, id publishing.PostID) (*publishing.Detail, error) {
		version, err := versionOr(ctx, s.postVersion(ctx, who, id))
		if err != nil {
			return nil, err
		}
		return s.posts(ctx, req.Params.DryRun).Schedule(ctx, who, id, version, when)
	})
	return api.SchedulePost200JSONResponse(d), asSent(err, or(req.Body), "")
}

// PublishPost implements POST /posts/{post}:publish.
func (s *Server) PublishPost(ctx context.Context, req api.PublishPostRequestObject) (api.PublishPostResponseObject, error) {
	d, err := s.post(ctx, req.Post, func(who tenants.Scope, id publishing.PostID) (*publishing.Detail, error) {
		version, err := versionOr(ctx, s.postVersion(ctx, who, id))
		if err != nil {
			return nil, err
		}
		return s.posts(ctx, req.Params.DryRun).Publish(ctx, who, id, version)
	})
	return api.PublishPost202JSONResponse(d), err
}

// CancelPost implements POST /posts/{post}:cancel.
func (s *Server) CancelPost(ctx context.Context, req api.CancelPostRequestObject) (api.CancelPostResponseObject, error) {
	d, err := s.post(ctx, req.Post, func(who tenants.Scope, id publishing.PostID) (*publishing.Detail, error) {
		return s.Posts.Cancel(ctx, who, id)
	})
	return api.CancelPost200JSONResponse(d), err
}

// SettleSegment implements POST /posts/{post}/segments/{segment}:settle.
func (s *Server) SettleSegment(ctx context.Context, req api.SettleSegmentRequestObject) (api.SettleSegmentResponseObject, error) {
	d, err := s.post(ctx, req.Post, func(who tenants.Scope, id publishing.PostID) (*publishing.Detail, error) {
		return s.Posts.Settle(ctx, who, id, publishing.SegmentID(req.Segment), publishing.Verdict(req.Body.Verdict), or(req.Body.Url))
	})
	return api.SettleSegment200JSONResponse(d), err
}

// post runs a use case that answers one post.
func (s *Server) post(ctx context.Context, name string, run func(tenants.Scope, publishing.PostID) (*publishing.Detail, error)) (api.Post, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return api.Post{}, err
	}
	id := publishing.PostID(name)
	d, err := run(who, id)
	if err != nil {
		return api.Post{}, raced(err, s.postVersion(ctx, who, id))
	}
	etag(ctx, d.Version)
	return toPost(d), nil
}

func (s *Server) postVersion(ctx context.Context, who tenants.Scope, id publishing.PostID) func() (int, error) {
	return func() (int, error) {
		d, err := s.Posts.Get(ctx, who, id)
		if err != nil {
			return 0, err
		}
		return d.Version, nil
	}
}
