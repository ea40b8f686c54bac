package publishing

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
)

// Bounds of one post. Platforms are stricter; these keep a row, a request and
// a page within reason.
const (
	MaxText     = 20_000 // code points in one part
	MaxParts    = 25     // parts of a thread
	MaxMedia    = 20     // attachments of one part
	MaxVariants = 50     // channels of one post
)

// PostID names a post within a tenant, such as "post_01jd…".
type PostID string

// A Post is what a person composes: a thread of parts, perhaps a first
// comment, and the channels it goes to.
type Post struct {
	ID       PostID
	Content  Content
	Schedule Schedule
	// State sums up the deliveries; Draft while there are none. The store
	// keeps it for lists, and it changes only with a delivery.
	State     State
	CreatedBy string
	CreatedAt time.Time
	UpdatedAt time.Time
	Version   int // bumped by every edit; a stale edit is a conflict
}

// Content is the part of a post that people write and approve.
type Content struct {
	Parts        []Part    `json:"parts"` // the first is the post itself
	FirstComment *Part     `json:"first_comment,omitempty"`
	Variants     []Variant `json:"variants"`
}

// A Part is one object on a platform.
type Part struct {
	Text  string       `json:"text"`
	Media []Attachment `json:"media,omitempty"`
}

// An Attachment is a media item with the alt text it has in this post.
type Attachment struct {
	Media media.ID `json:"media"`
	Alt   string   `json:"alt,omitempty"`
}

// A Variant is a post as it goes to one channel. Nil overrides mean the post's
// own.
type Variant struct {
	Channel      channels.ID    `json:"channel"`
	Format       string         `json:"format,omitempty"` // empty: the platform's first
	Parts        []Part         `json:"parts,omitempty"`
	FirstComment *Part          `json:"first_comment,omitempty"`
	Settings     map[string]any `json:"settings,omitempty"`
}

// NewPost returns a draft.
func NewPost(c Content, by string) *Post {
	return &Post{ID: PostID(id.New("post")), Content: c, State: Draft, CreatedBy: by}
}

// Hash is the hexadecimal SHA-256 of the content. An approval or an armed
// segment is bound to it, so that what was seen is what goes out.
func (c Content) Hash() string {
	b, err := json.Marshal(c)
	if err != nil { // settings came from JSON and go back to it
		panic(fmt.Sprintf("publishing: content is not JSON: %v", err))
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// PartsFor returns what v's channel gets, thread first, then the comment, and
// how many of them are thread parts.
func (c Content) PartsFor(v Variant) (parts []Part, thread int) {
	parts, comment := c.Parts, c.FirstComment
	if v.Parts != nil {
		parts = v.Parts
	}
	if v.FirstComment != nil {
		comment = v.FirstComment
	}
	thread = len(parts)
	if comment != nil {
		parts = append(parts[:thread:thread], *comment)
	}
	return parts, thread
}

// Check holds the invariants of what is stored, draft or not. Platform rules
// are checked by Service.Validate.
func (p *Post) Check() error {
	if len(p.Content.Parts) == 0 {
		return fault.New(fault.Invalid, "post.empty", "Write something first.").On("/segments")
	}
	if err := checkParts(p.Content.Parts, p.Content.FirstComment, ""); err != nil {
		return err
	}
	if len(p.Content.Variants) > MaxVariants {
		return fault.New(fault.Invalid, "post.too_many_channels", "At most %d channels.", MaxVariants).On("/channels")
	}
	seen := map[channels.ID]bool{}
	for i, v := range p.Content.Variants {
		at := fmt.Sprintf("/channels/%d", i)
		if seen[v.Channel] {
			return fault.New(fault.Invalid, "post.channel_twice", "A post goes to a channel once.").On(at + "/channel_id")
		}
		seen[v.Channel] = true
		if v.Parts != nil && len(v.Parts) == 0 {
			return fault.New(fault.Invalid, "post.empty", "Write something for this channel, or leave the override out.").On(at + "/segments")
		}
		if err := checkParts(v.Parts, v.FirstComment, at); err != nil {
			return err
		}
	}
	return nil
}

func checkParts(parts []Part, comment *Part, at string) error {
	if len(parts) > MaxParts {
		return fault.New(fault.Invalid, "post.too_many_parts", "A thread has at most %d parts.", MaxParts).On(at + "/segments")
	}
	for i, part := range parts {
		if err := part.check(fmt.Sprintf("%s/segments/%d", at, i)); err != nil {
			return err
		}
	}
	if comment != nil {
		return comment.check(at + "/first_comment")
	}
	return nil
}

func (p Part) check(at string) error {
	switch {
	case strings.TrimSpace(p.Text) == "" && len(p.Media) == 0:
		return fault.New(fault.Invalid, "post.empty", "Write something, or attach something.").On(at + "/text")
	case !utf8.ValidString(p.Text) || strings.ContainsRune(p.Text, 0):
		return fault.New(fault.Invalid, "text.malformed", "This text is not valid UTF-8.").On(at + "/text")
	case utf8.RuneCountInString(p.Text) > MaxText:
		return fault.New(fault.Invalid, "text.too_long", "At most %d characters.", MaxText).On(at + "/text")
	case len(p.Media) > MaxMedia:
		return fault.New(fault.Invalid, "media.too_many", "At most %d attachments.", MaxMedia).On(at + "/media")
	}
	for i, a := range p.Media {
		if err := media.CheckAlt(a.Alt); err != nil {
			return err.On(fmt.Sprintf("%s/media/%d/alt", at, i))
		}
	}
	return nil
}
