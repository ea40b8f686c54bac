package httpapi

import (
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

// fromPost reads what a person composed.
func fromPost(in api.PostInput) (c publishing.Content, when publishing.Schedule, err error) {
	c.Parts, c.FirstComment = each(in.Segments, fromSegment), fromComment(in.FirstComment)
	for i, v := range in.Channels {
		if !id.Is("chn", v.ChannelId) {
			return c, when, fault.New(fault.Invalid, "channel.not_found", "There is no such channel.").On(pointer("/channels", i) + "/channel_id")
		}
		variant := publishing.Variant{
			Channel: channels.ID(v.ChannelId), Format: or(v.Format), FirstComment: fromComment(v.FirstComment), Settings: v.Settings,
		}
		if v.Segments != nil {
			variant.Parts = each(v.Segments, fromSegment)
		}
		c.Variants = append(c.Variants, variant)
	}
	when, err = fromSchedule(in.Schedule, "/schedule")
	return c, when, err
}

func fromSegment(s api.Segment) publishing.Part {
	p := publishing.Part{Text: s.Text}
	for _, a := range s.Media {
		p.Media = append(p.Media, publishing.Attachment{Media: media.ID(a.Id), Alt: or(a.Alt)})
	}
	return p
}

func fromComment(c *api.Comment) *publishing.Part {
	if c == nil {
		return nil
	}
	return &publishing.Part{Text: c.Text}
}

// fromSchedule reads a wall time and its zone. An instant is a wall time too:
// in the zone that is named with it, or in UTC.
func fromSchedule(in *api.ScheduleInput, at string) (publishing.Schedule, error) {
	var when publishing.Schedule
	if in == nil {
		return when, nil
	}
	when.Local, when.Zone = or(in.LocalTime), or(in.Timezone)
	switch {
	case at != "" && *in == api.ScheduleInput{}:
		return when, fault.New(fault.Invalid, "schedule.empty", "Say when, or leave the schedule out.").On(at)
	case in.PublishAt == nil:
		return when, nil
	case when.Local != "":
		return when, fault.New(fault.Invalid, "schedule.ambiguous", "Give an instant or a wall time, not both.").On(at + "/publish_at")
	case when.Zone == "":
		when.Zone = "UTC"
	}
	loc, err := time.LoadLocation(when.Zone)
	if err != nil || when.Zone == "Local" {
		return when, fault.New(fault.Invalid, "schedule.unknown_zone", "There is no such time zone.").On(at + "/timezone")
	}
	// A second is the finest that a wall time says; round up, never early. In an
	// hour that happens twice a wall time means the first; the other has a name
	// in UTC alone.
	instant := in.PublishAt.Add(time.Second - time.Nanosecond).Truncate(time.Second)
	when.Local = instant.In(loc).Format(publishing.LocalLayout)
	if meant, err := when.Resolve(); err != nil || !meant.At.Equal(instant) {
		when.Local, when.Zone = instant.UTC().Format(publishing.LocalLayout), "UTC"
	}
	return when, nil
}

// asSent points at the member that somebody wrote of a schedule, which the core
// knows at /schedule and which may have come elsewhere.
func asSent(err error, in api.ScheduleInput, at string) error {
	f := fault.Of(err)
	if f == nil || len(f.Violations) > 0 {
		return err
	}
	member, ok := strings.CutPrefix(f.Field, "/schedule")
	switch {
	case !ok:
		return err
	case in == api.ScheduleInput{}: // nothing was: it is about the post's own time
		out := *f
		if f.Reason == "schedule.past" {
			out.Message = "The post's own time has passed. Send one in the future."
		}
		return out.On("")
	}
	out := *f
	return out.On(at + sentMember(member, in))
}

// sentMember is the member that somebody wrote of a schedule that the core
// points into: it knows times as wall times, and this may have come as an instant.
func sentMember(member string, in api.ScheduleInput) string {
	if member == "/local_time" && in.PublishAt != nil {
		return "/publish_at"
	}
	return member
}

// toInput is a post as it could have been sent, for a merge patch.
func toInput(d *publishing.Detail) api.PostInput {
	in := api.PostInput{
		Segments: each(d.Content.Parts, toSegment), FirstComment: toComment(d.Content.FirstComment), Channels: each(d.Content.Variants, toVariant),
	}
	if s := d.Schedule; s.Local != "" {
		in.Schedule = &api.ScheduleInput{LocalTime: some(s.Local), Timezone: some(s.Zone)}
	}
	return in
}

func toSegment(p publishing.Part) api.Segment {
	s := api.Segment{Text: p.Text}
	for _, a := range p.Media {
		s.Media = append(s.Media, api.Attachment{Id: string(a.Media), Alt: some(a.Alt)})
	}
	return s
}

func toComment(p *publishing.Part) *api.Comment {
	if p == nil {
		return nil
	}
	return &api.Comment{Text: p.Text}
}

func toVariant(v publishing.Variant) api.Variant {
	out := api.Variant{
		ChannelId: string(v.Channel), Format: some(v.Format), FirstComment: toComment(v.FirstComment), Settings: v.Settings,
	}
	if v.Parts != nil {
		out.Segments = each(v.Parts, toSegment)
	}
	return out
}

func toPost(d *publishing.Detail) api.Post {
	in := toInput(d)
	out := api.Post{
		Id: string(d.ID), Object: api.PostObjectPost, State: api.PostState(d.State),
		Segments: in.Segments, FirstComment: in.FirstComment, Channels: in.Channels,
		Version: d.Version, ContentHash: d.Content.Hash(), CreatedBy: d.CreatedBy, CreatedAt: d.CreatedAt, UpdatedAt: d.UpdatedAt,
		Deliveries: each(d.Deliveries, toSummary), Held: toHeld(d.Held()), Visibility: some(api.Visibility(d.Hidden())),
	}
	if s := d.Schedule; !s.At.IsZero() {
		out.Schedule = &api.Schedule{PublishAt: s.At, LocalTime: some(s.Local), Timezone: some(s.Zone)}
	}
	return out
}

func toSummary(d *publishing.Delivery) api.DeliverySummary {
	out := api.DeliverySummary{Id: string(d.ID), ChannelId: string(d.Channel), State: string(d.State()), Held: toHeld(d.Held), Visibility: some(api.Visibility(d.Hidden()))}
	if len(d.AtRisk) > 0 {
		out.AtRisk = fields(d.AtRisk)
	}
	if ref := d.Segments[0].Ref; ref != nil {
		out.Url = some(ref.URL)
	}
	for _, s := range d.Segments {
		if s.Problem != nil && out.Reason == nil {
			out.Reason = some(s.Problem.Reason)
		}
	}
	return out
}

func toHeld(h *publishing.Held) *api.Held {
	if h == nil {
		return nil
	}
	return &api.Held{Reason: api.HeldReason(h.Reason), Message: h.Message}
}
