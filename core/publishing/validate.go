package publishing

import (
	"context"
	"fmt"
	"strings"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Validate says everything the platforms would object to, and what is wrong
// with the time if there is one, without any effect. It returns nil when the
// content could go out then.
func (s *Service) Validate(ctx context.Context, who tenants.Scope, c Content, when Schedule) ([]fault.Violation, error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	untimely, err := finding(s.timely(ctx, who, when))
	if err != nil {
		return nil, err
	}
	found, err := finding(NewPost(c, who.Actor()).Check())
	if len(found) == 0 && err == nil { // platforms are asked about what could be kept
		found, err = s.violations(ctx, who, c)
	}
	if err != nil {
		return nil, err
	}
	return append(found, untimely...), nil
}

// timely says what Create would of the time that somebody wishes.
func (s *Service) timely(ctx context.Context, who tenants.Scope, when Schedule) error {
	when, err := when.intent()
	if err != nil || when.Local == "" {
		return err
	}
	return s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error { return when.feasible(ctx, tx) })
}

// finding is what a person did wrong, as a finding; anything else is an error.
func finding(err error) ([]fault.Violation, error) {
	f := fault.Of(err)
	if f == nil || f.Code != fault.Invalid {
		return nil, err
	}
	return []fault.Violation{{Field: f.Field, Reason: f.Reason, Message: f.Message}}, nil
}

func (s *Service) validate(ctx context.Context, who tenants.Scope, c Content) error {
	v, err := s.violations(ctx, who, c)
	if err != nil {
		return err
	}
	return fault.Check(v)
}

func (s *Service) violations(ctx context.Context, who tenants.Scope, c Content) ([]fault.Violation, error) {
	if len(c.Variants) == 0 {
		return []fault.Violation{{Field: "/channels", Reason: "post.no_channel", Message: "Choose at least one channel."}}, nil
	}
	var all []fault.Violation
	for i, v := range c.Variants {
		found, err := s.checkVariant(ctx, who, c, v, fmt.Sprintf("/channels/%d", i))
		if err != nil {
			return nil, err
		}
		all = append(all, found...)
	}
	return all, nil
}

func (s *Service) checkVariant(ctx context.Context, who tenants.Scope, c Content, v Variant, at string) ([]fault.Violation, error) {
	target, err := s.channels.Describe(ctx, who, v.Channel)
	if fault.Is(err, fault.NotFound) {
		return []fault.Violation{noChannel(at)}, nil
	}
	if err != nil {
		return nil, err
	}
	if target.Channel.State != channels.Connected {
		return []fault.Violation{{Field: at + "/channel_id", Reason: "channel." + string(target.Channel.State), Message: target.Channel.Remedy}}, nil
	}
	format, ok := target.Manifest.Format(v.Format)
	if missing, can := target.Format(format.ID); ok && !can && len(missing) > 0 {
		return []fault.Violation{{
			Field: at + "/format", Reason: "channel.missing_scope",
			Message: "The sign-in of this channel did not include " + strings.Join(missing, ", ") + ". Connect it again to post this.",
		}}, nil
	} else if !ok || !can {
		return []fault.Violation{noFormat(at)}, nil
	}
	found := s.rules.Settings(format.Settings, v.Settings, at+"/settings")
	parts, thread := c.PartsFor(v)
	if len(parts) > 1 && !target.Manifest.Can(social.CanReply) {
		found = append(found, noThreads(target, at))
	}
	for i, part := range parts {
		attached, err := s.media.Attach(ctx, who, mediaIDs(part))
		if fault.Is(err, fault.NotFound) || fault.Is(err, fault.Conflict) || fault.Is(err, fault.Invalid) {
			f := fault.Of(err)
			found = append(found, fault.Violation{Field: pointer(v, i, thread, at) + culprit(f), Reason: f.Reason, Message: f.Message})
			continue
		}
		if err != nil {
			return nil, err
		}
		withAlt(attached, part)
		found = append(found, s.rules.Check(format, target.Account.Limits, part.Text, attached, pointer(v, i, thread, at))...)
	}
	return found, nil
}

// noThreads says why a channel takes a single post.
func noThreads(target channels.Target, at string) fault.Violation {
	if missing := target.Lacks(social.CanReply); len(missing) > 0 {
		return fault.Violation{
			Field: at, Reason: "channel.missing_scope",
			Message: "The sign-in of this channel did not include " + strings.Join(missing, ", ") + ", which threads and first comments need. Connect it again to post this.",
		}
	}
	return fault.Violation{Field: at, Reason: "channel.no_threads", Message: target.Manifest.Name + " takes a single post: no thread, no first comment."}
}

// culprit is which attachment of a part it is that cannot be attached: Attach
// names it by its place.
func culprit(f *fault.Error) string {
	if f.Field == "" {
		return "/media"
	}
	return "/media" + f.Field + "/id"
}

// pointer is where part i of v was written: in the variant, or in the post.
func pointer(v Variant, i, thread int, at string) string {
	if i >= thread {
		if v.FirstComment == nil {
			at = ""
		}
		return at + "/first_comment"
	}
	if v.Parts == nil {
		at = ""
	}
	return fmt.Sprintf("%s/segments/%d", at, i)
}

func mediaIDs(p Part) []media.ID {
	ids := make([]media.ID, len(p.Media))
	for i, a := range p.Media {
		ids[i] = a.Media
	}
	return ids
}

func withAlt(attached []social.Media, p Part) {
	for i := range attached {
		if alt := p.Media[i].Alt; alt != "" {
			attached[i].Alt = alt
		}
	}
}
