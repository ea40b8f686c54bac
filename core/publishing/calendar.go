package publishing

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/tenants"
)

// An Entry is a post as a calendar draws it.
type Entry struct {
	ID       PostID
	State    State
	At       time.Time
	Zone     string
	Text     string   // its first line, see FirstLine
	Media    media.ID // its first attachment, or empty
	Parts    int
	Channels []channels.ID
}

// Calendar returns the entries that f selects, by time. It reads no more of a
// post than it shows.
func (s *Service) Calendar(ctx context.Context, who tenants.Scope, f Filter) (out []Entry, err error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		out, err = tx.Calendar(ctx, f)
		return err
	})
	return out, err
}

// maxLine is how many characters of a first line are shown.
const maxLine = 140

// FirstLine is the first line of text that says something, and no more of it
// than a calendar shows.
func FirstLine(text string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(text), "\n")
	line = strings.TrimRight(line, " \t\r")
	if utf8.RuneCountInString(line) <= maxLine {
		return line
	}
	return string([]rune(line)[:maxLine-1]) + "…"
}
