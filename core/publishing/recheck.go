package publishing

import (
	"context"
	"strconv"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// recheck holds a segment to the platform's rules once more, right before its
// first step: the manifest, the account's limits or the file may have changed
// since it was planned. What breaks them now is rejected with the reasons.
func (r *Runner) recheck(ctx context.Context, w *work, req social.PublishRequest) error {
	target, err := r.channels.Describe(ctx, tenants.SystemScope(w.c.Tenant), w.d.Channel)
	if err != nil {
		return err
	}
	format, ok := target.Manifest.Format(w.d.Format)
	if !ok {
		return social.Fail(social.Invalid, "channel.no_format", "This channel no longer has the format %q.", w.d.Format)
	}
	at := "/segments/" + strconv.Itoa(w.s.Position)
	if w.s.Comment {
		at = "/first_comment"
	}
	found := r.rules.Check(format, target.Account.Limits, req.Content.Text, req.Content.Media, at)
	found = append(found, r.rules.Settings(format.Settings, w.d.Settings, "/settings")...)
	err = fault.Check(found)
	if err == nil {
		return nil
	}
	f := fault.Of(err)
	return &social.Fault{Kind: social.Invalid, Source: social.FromPlugin, Key: f.Reason, Message: f.Message, Violations: f.Violations, Err: err}
}
