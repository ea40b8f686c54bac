package httpapi

import (
	"context"
	"strconv"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/adapters/httpapi/strictjson"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// BatchPosts implements POST /posts:batch. Each post is read, checked and
// answered for by itself: one that is wrong keeps no other from being made.
func (s *Server) BatchPosts(ctx context.Context, req api.BatchPostsRequestObject) (api.BatchPostsResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	atomic := or(req.Body.Atomic)
	made := make([]publishing.Made, len(req.Body.Posts))
	var good []publishing.Composed
	var at []int                  // where each of good was
	var times []api.ScheduleInput // as each of good had it
	for i, raw := range req.Body.Posts {
		c, time, err := composed(raw)
		if err != nil {
			made[i].Err = err
			continue
		}
		good, at, times = append(good, c), append(at, i), append(times, time)
	}
	posts := s.posts(ctx, req.Params.DryRun)
	if atomic && len(good) < len(made) {
		posts = s.Rehearsal // none will be made; what else is wrong is worth knowing
	}
	if len(good) > 0 {
		done, err := posts.CreateMany(ctx, who, good, atomic)
		if err != nil {
			return nil, err
		}
		for i, m := range done {
			m.Err = asSent(m.Err, times[i], "/schedule")
			made[at[i]] = m
		}
	}
	out := api.BatchPosts207JSONResponse{Data: make([]api.BatchItem, len(made))}
	for i, m := range made {
		out.Data[i] = s.batchItem(ctx, i, m)
		if m.Err != nil {
			out.Failed++
		}
	}
	if out.Failed > 0 && atomic {
		return nil, refusedBatch(made)
	}
	out.Created = len(made) - out.Failed
	return out, nil
}

func composed(raw api.BatchPost) (c publishing.Composed, time api.ScheduleInput, err error) {
	var in api.PostInput
	if err := strictjson.Decode(raw, &in); err != nil {
		return c, time, err
	}
	c.Content, c.Schedule, err = fromPost(in)
	return c, or(in.Schedule), err
}

func (s *Server) batchItem(ctx context.Context, i int, m publishing.Made) api.BatchItem {
	item := api.BatchItem{Index: i, Status: 201}
	if m.Err != nil {
		p := s.problem(fault.Of(m.Err))
		p.RequestId = requestID(exchangeOf(ctx).c)
		item.Status, item.Problem = p.Status, &p
		return item
	}
	if m.Draft != nil {
		post := toPost(m.Draft)
		item.Post = &post
	}
	return item
}

// refusedBatch names every input at fault by its place in the whole body.
func refusedBatch(made []publishing.Made) error {
	f := fault.New(fault.Invalid, "batch.refused", "Some of these posts cannot be made, so none was.")
	for i, m := range made {
		why := fault.Of(m.Err)
		if why == nil {
			continue
		}
		at := "/posts/" + strconv.Itoa(i)
		if len(why.Violations) == 0 {
			f = f.With(fault.Violation{Field: at + why.Field, Reason: why.Reason, Message: why.Message})
		}
		for _, v := range why.Violations {
			v.Field = at + v.Field
			f = f.With(v)
		}
	}
	return f
}

// headerDry marks the answer of a rehearsal.
const headerDry = "Carillon-Dry-Run"

// posts are the use cases, or with dry_run those that keep nothing.
func (s *Server) posts(ctx context.Context, dry *bool) Posts {
	if !or(dry) {
		return s.Posts
	}
	exchangeOf(ctx).c.Set(headerDry, "true")
	return s.Rehearsal
}
