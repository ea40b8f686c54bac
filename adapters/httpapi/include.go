package httpapi

import (
	"context"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// includable is what a post may be answered with.
var includable = []string{"media", "metrics"}

// included reads what the caller wants along with a post.
func included(list *string) (with []string, err error) {
	if list == nil {
		return nil, nil
	}
	with = strings.Split(*list, ",")
	for _, name := range with {
		if !slices.Contains(includable, name) {
			return nil, fault.New(fault.Invalid, "include.unknown", "There is %s to include.", strings.Join(includable, " and ")).On("/query/include")
		}
	}
	return with, nil
}

// include adds to p what was asked for. Each asks its own use case, so who may
// not see it is refused.
func (s *Server) include(ctx context.Context, p *api.Post, with []string) error {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return err
	}
	if slices.Contains(with, "media") {
		if p.Media, err = s.shown(ctx, who, p); err != nil {
			return err
		}
	}
	if slices.Contains(with, "metrics") {
		figures, err := s.Posts.Metrics(ctx, who, publishing.PostID(p.Id))
		if err != nil {
			return err
		}
		p.Metrics = each(figures, toMetrics)
	}
	return nil
}

// shown is the media of a post, each once, but for what was deleted since.
func (s *Server) shown(ctx context.Context, who tenants.Scope, p *api.Post) ([]api.Media, error) {
	var names []string
	for _, parts := range append([][]api.Segment{p.Segments}, each(p.Channels, func(v api.Variant) []api.Segment { return v.Segments })...) {
		for _, part := range parts {
			for _, a := range part.Media {
				if !slices.Contains(names, a.Id) {
					names = append(names, a.Id)
				}
			}
		}
	}
	out := []api.Media{}
	for _, name := range names {
		m, err := s.Media.Get(ctx, who, media.ID(name))
		if fault.Is(err, fault.NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, toMedia(m))
	}
	return out, nil
}

func toMetrics(m publishing.Measured) api.Metrics {
	return api.Metrics{SegmentId: string(m.Segment), Values: m.Values, At: m.At}
}
