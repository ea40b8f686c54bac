package publishing

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/core/channels"
)

// Held is why a planned delivery does not leave although nothing is wrong with
// it. It is so at the moment of reading, and kept nowhere.
type Held struct {
	Reason  string // which level holds it: "tenant.…", "platform.…" or "channel.…"
	Message string // for people, with what whoever paused it wants them to know
}

// A Block is what keeps a channel from sending.
type Block struct {
	Reason string // see Queue.Blocked
	Told   string // what whoever paused it said to people; often nothing
}

// heldMessages says each reason that Queue.Blocked may give.
var heldMessages = map[string]string{
	"tenant.suspended":        "This workspace is suspended, or one above it is.",
	"tenant.paused":           "Publishing is paused in this workspace.",
	"tenant.paused_above":     "Publishing is paused above this workspace.",
	"platform.paused":         "Publishing to this platform is paused for everybody.",
	"platform.disabled":       "This platform is switched off for everybody here.",
	"platform.not_included":   "The plan does not include this platform any more.",
	"platform.switched_off":   "This platform is switched off in this workspace, or above it.",
	"channel.paused":          "This channel is paused.",
	"channel.needs_reconnect": "This channel has to be signed in again.",
	"channel.disconnected":    "This channel is disconnected.",
}

// HeldReasons is all that a Held.Reason can be.
func HeldReasons() []string { return slices.Sorted(maps.Keys(heldMessages)) }

// hold marks the deliveries that wait for more than their time.
func hold(ctx context.Context, tx Tx, details ...*Detail) error {
	var ids []channels.ID
	for _, d := range details {
		for _, dl := range d.Deliveries {
			if dl.waits() {
				ids = append(ids, dl.Channel)
			}
		}
	}
	if len(ids) == 0 {
		return nil
	}
	slices.Sort(ids)
	reasons, err := tx.Blocked(ctx, slices.Compact(ids)...)
	if err != nil {
		return err
	}
	for _, d := range details {
		for _, dl := range d.Deliveries {
			if b, is := reasons[dl.Channel]; is && dl.waits() {
				dl.Held = &Held{b.Reason, strings.TrimSpace(heldMessages[b.Reason] + " " + b.Told)}
			}
		}
	}
	return nil
}

// waits reports whether what comes next of d is yet to be sent.
func (d *Delivery) waits() bool {
	for _, s := range d.Segments {
		if s.State != Live {
			return s.State == Scheduled || s.State == Preparing || s.State == Armed
		}
	}
	return false
}

// Held is the first reason for which a part of the post does not leave, or nil.
func (d *Detail) Held() *Held {
	for _, dl := range d.Deliveries {
		if dl.Held != nil {
			return dl.Held
		}
	}
	return nil
}
