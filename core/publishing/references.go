package publishing

import (
	"context"
	"fmt"
	"iter"
	"slices"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Refs is what content names of other things.
type Refs struct {
	Channels []channels.ID
	Media    []media.ID
}

// Refs lists what c names, each once, in order.
func (c Content) Refs() Refs {
	var r Refs
	for _, v := range c.Variants {
		r.Channels = append(r.Channels, v.Channel)
	}
	for part := range c.all() {
		r.Media = append(r.Media, mediaIDs(*part)...)
	}
	slices.Sort(r.Channels)
	slices.Sort(r.Media)
	return Refs{slices.Compact(r.Channels), slices.Compact(r.Media)}
}

// all goes over the parts of c, with where each was written: those of the post,
// then those of one channel alone.
func (c *Content) all() iter.Seq2[*Part, string] {
	return func(yield func(*Part, string) bool) {
		if !each(c.Parts, c.FirstComment, "", yield) {
			return
		}
		for i := range c.Variants {
			v := &c.Variants[i]
			if !each(v.Parts, v.FirstComment, fmt.Sprintf("/channels/%d", i), yield) {
				return
			}
		}
	}
}

func each(parts []Part, comment *Part, at string, yield func(*Part, string) bool) bool {
	for i := range parts {
		if !yield(&parts[i], fmt.Sprintf("%s/segments/%d", at, i)) {
			return false
		}
	}
	return comment == nil || yield(comment, at+"/first_comment")
}

// Without returns c without the attachment, wherever it is.
func (c Content) Without(file media.ID) Content {
	out := c.clone()
	for part := range out.all() {
		part.Media = slices.DeleteFunc(part.Media, func(a Attachment) bool { return a.Media == file })
	}
	return out
}

// clone copies what Without changes.
func (c Content) clone() Content {
	c.Parts, c.Variants = cloneParts(c.Parts), slices.Clone(c.Variants)
	c.FirstComment = cloneComment(c.FirstComment)
	for i, v := range c.Variants {
		c.Variants[i].Parts, c.Variants[i].FirstComment = cloneParts(v.Parts), cloneComment(v.FirstComment)
	}
	return c
}

func cloneParts(parts []Part) []Part {
	out := slices.Clone(parts)
	for i := range out {
		out[i].Media = slices.Clone(out[i].Media)
	}
	return out
}

func cloneComment(p *Part) *Part {
	if p == nil {
		return nil
	}
	return &cloneParts([]Part{*p})[0]
}

// refer refuses content that names what the tenant does not have, whoever else
// has it, and keeps the files that it names until tx ends.
func refer(ctx context.Context, tx Tx, c Content, refs Refs) error {
	if len(refs.Channels)+len(refs.Media) == 0 {
		return nil
	}
	unknown, err := tx.Unknown(ctx, refs)
	if err != nil {
		return err
	}
	return fault.Check(c.dangling(unknown))
}

// dangling says where c names what is unknown.
func (c Content) dangling(unknown Refs) (found []fault.Violation) {
	for part, at := range c.all() {
		for i, a := range part.Media {
			if slices.Contains(unknown.Media, a.Media) {
				found = append(found, fault.Violation{
					Field: fmt.Sprintf("%s/media/%d/id", at, i), Reason: media.ErrNotFound().Reason, Message: media.ErrNotFound().Message,
				})
			}
		}
	}
	for i, v := range c.Variants {
		if slices.Contains(unknown.Channels, v.Channel) {
			found = append(found, noChannel(fmt.Sprintf("/channels/%d", i)))
		}
	}
	return found
}

func noChannel(at string) fault.Violation {
	return fault.Violation{Field: at + "/channel_id", Reason: "channel.not_found", Message: "There is no such channel."}
}

func noFormat(at string) fault.Violation {
	return fault.Violation{Field: at + "/format", Reason: "channel.no_format", Message: "This channel has no such format."}
}

// described remembers what channels are, within one use case.
type described map[channels.ID]struct {
	target channels.Target
	err    error
}

// formats refuses formats that a draft names and its channel's platform does
// not have. Whether the account may use them is for Validate, and what cannot
// be asked now, because a plugin is away, too.
func (s *Service) formats(ctx context.Context, who tenants.Scope, c Content, known described) error {
	var found []fault.Violation
	for i, v := range c.Variants {
		if v.Format == "" {
			continue
		}
		d, ok := known[v.Channel]
		if !ok {
			d.target, d.err = s.channels.Describe(ctx, who, v.Channel)
			known[v.Channel] = d
		}
		at := fmt.Sprintf("/channels/%d", i)
		if fault.Is(d.err, fault.NotFound) {
			found = append(found, noChannel(at))
		} else if _, ok := d.target.Manifest.Format(v.Format); d.err == nil && !ok {
			found = append(found, noFormat(at))
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return fault.Check(found)
}
