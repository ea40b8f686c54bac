package admin

import (
	"context"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Edge is what holds for everybody, as each process keeps it at hand. The zero
// Edge holds nobody back. It is not changed once it is made.
type Edge struct {
	Blocks      []Block
	Maintenance Maintenance
	Flags       []Flag
	Overrides   map[tenants.ID]map[string]bool
}

// A Block refuses every request from a range of addresses.
type Block struct {
	ID        string // "blk_01jd…"
	Range     netip.Prefix
	Reason    string
	By        string
	CreatedAt time.Time
	ExpiresAt time.Time // zero: until it is lifted
}

// Maintenance is a time when nothing but this realm answers.
type Maintenance struct {
	On          bool
	Message     string
	RetryAfter  time.Duration
	StopPublish bool // workers hold what is due, until it ends
	Holds       bool // it was this that paused publishing
	By          string
	At          time.Time
}

// A Flag switches a feature, for all or for some.
type Flag struct {
	Name        string
	Description string
	On          bool // for whoever has no word of their own
	Overrides   int  // how many have
	By          string
	At          time.Time
}

// Blocked reports whether nothing from a may enter at now.
func (e *Edge) Blocked(a netip.Addr, now time.Time) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(e.Blocks, func(b Block) bool {
		return b.Range.Contains(a) && (b.ExpiresAt.IsZero() || now.Before(b.ExpiresAt))
	})
}

// Features says which flags are on along a path from the root to a tenant: the
// word of the nearest counts.
func (e *Edge) Features(path []tenants.ID) map[string]bool {
	out := make(map[string]bool, len(e.Flags))
	for _, f := range e.Flags {
		out[f.Name] = f.On
		for _, t := range path {
			if on, said := e.Overrides[t][f.Name]; said {
				out[f.Name] = on
			}
		}
	}
	return out
}

// Widest ranges that can be blocked: a sixteenth of what is there is a slip of
// the finger.
const (
	widest4 = 8
	widest6 = 16
)

// Blocks lists them, oldest first.
func (s *Service) Blocks(ctx context.Context, who Who) ([]Block, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	e, err := s.Store.Edge(ctx)
	return e.Blocks, err
}

// Block refuses an address or a range. It returns fault.Conflict for a range
// with from in it, the address that who is at: whoever shuts themselves out
// cannot come back to open.
func (s *Service) Block(ctx context.Context, who Who, from netip.Addr, text, reason string, until time.Time) (*Block, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	r, err := parseRange(text)
	if err != nil {
		return nil, err
	}
	if reason, err = because(reason); err != nil {
		return nil, err
	}
	now := s.Now()
	switch {
	case from.IsValid() && r.Contains(from.Unmap().WithZone("")):
		return nil, fault.New(fault.Conflict, "block.own_address", "You are in that range yourself, at %s.", from.Unmap()).On("/range")
	case !until.IsZero() && !until.After(now):
		return nil, fault.New(fault.Invalid, "block.until", "Choose a time in the future.").On("/until")
	}
	b := &Block{ID: id.At("blk", now), Range: r, Reason: reason, By: who.actor(), CreatedAt: now, ExpiresAt: until}
	err = s.update(ctx, audit.Of(who.actor(), "address.block", b.ID, "range", r.String(), "reason", reason), func(tx Tx) error { return tx.AddBlock(ctx, b) })
	return b, err
}

// parseRange reads an address, or a range in CIDR notation.
func parseRange(text string) (netip.Prefix, error) {
	bad := fault.New(fault.Invalid, "block.range", "Write an address or a range, such as 192.0.2.7 or 2001:db8::/32.").On("/range")
	text = strings.TrimSpace(text)
	if a, err := netip.ParseAddr(text); err == nil && a.Zone() == "" {
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return p, bad
	}
	p = p.Masked()
	if p.Addr().Is4() && p.Bits() < widest4 || p.Addr().Is6() && p.Bits() < widest6 {
		return p, fault.New(fault.Invalid, "block.too_wide", "That is too much of the internet: /%d or /%d at the widest.", widest4, widest6).On("/range")
	}
	return p, nil
}

// Unblock lifts a block.
func (s *Service) Unblock(ctx context.Context, who Who, name string) error {
	if err := who.allow(); err != nil {
		return err
	}
	return s.update(ctx, audit.Of(who.actor(), "address.unblock", name), func(tx Tx) error { return tx.DropBlock(ctx, name) })
}

// Maintenance says whether it is on.
func (s *Service) Maintenance(ctx context.Context, who Who) (Maintenance, error) {
	if err := who.allow(); err != nil {
		return Maintenance{}, err
	}
	e, err := s.Store.Edge(ctx)
	return e.Maintenance, err
}

// SetMaintenance begins or ends it, on every process within a second. With
// StopPublish, what is due waits until it ends; otherwise workers go on.
// Publishing that was paused before stays paused after.
func (s *Service) SetMaintenance(ctx context.Context, who Who, m Maintenance) (Maintenance, error) {
	if err := who.allow(); err != nil {
		return m, err
	}
	if m.Message = strings.TrimSpace(m.Message); m.Message == "" {
		m.Message = "We are working on it and will be back soon."
	}
	switch {
	case len(m.Message) > maxReason:
		return m, fault.New(fault.Invalid, "text.too_long", "At most %d characters.", maxReason).On("/message")
	case m.RetryAfter == 0:
		m.RetryAfter = time.Minute
	case m.RetryAfter < time.Second || m.RetryAfter > 24*time.Hour:
		return m, fault.New(fault.Invalid, "maintenance.retry_after", "Choose a second to a day.").On("/retry_after")
	}
	m.By, m.At = who.actor(), s.Now()
	action := "maintenance.end"
	if m.On {
		action = "maintenance.begin"
	}
	e := audit.Of(who.actor(), action, "", "publishing", map[bool]string{true: "held", false: "goes on"}[m.On && m.StopPublish])
	err := s.update(ctx, e, func(tx Tx) error {
		was, err := tx.Maintenance(ctx)
		if err != nil {
			return err
		}
		hold := m.On && m.StopPublish
		m.Holds = was.Holds && hold
		switch {
		case hold && !was.Holds:
			m.Holds, err = tx.Hold(ctx, m.Message)
		case was.Holds && !hold:
			err = tx.Release(ctx)
		}
		if err != nil {
			return err
		}
		return tx.SaveMaintenance(ctx, m)
	})
	return m, err
}

var flagName = regexp.MustCompile(`^[a-z][a-z0-9_.-]{0,63}$`)

// Flags lists them by name.
func (s *Service) Flags(ctx context.Context, who Who) ([]Flag, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	e, err := s.Store.Edge(ctx)
	return e.Flags, err
}

// SetFlag makes a flag, or changes it.
func (s *Service) SetFlag(ctx context.Context, who Who, name, description string, on bool) (*Flag, error) {
	if err := who.allow(); err != nil {
		return nil, err
	}
	switch {
	case !flagName.MatchString(name):
		return nil, fault.New(fault.Invalid, "flag.name", "Use 1 to 64 lower-case letters, digits, dots, dashes and underscores, and begin with a letter.").On("/path/flag")
	case len(description) > maxReason:
		return nil, fault.New(fault.Invalid, "text.too_long", "At most %d characters.", maxReason).On("/description")
	}
	f := &Flag{Name: name, Description: description, On: on, By: who.actor(), At: s.Now()}
	e := audit.Of(who.actor(), "flag.set", name, "on", onOff(on))
	return f, s.update(ctx, e, func(tx Tx) error { return tx.SaveFlag(ctx, f) })
}

// DropFlag forgets a flag, with every override.
func (s *Service) DropFlag(ctx context.Context, who Who, name string) error {
	if err := who.allow(); err != nil {
		return err
	}
	return s.update(ctx, audit.Of(who.actor(), "flag.delete", name), func(tx Tx) error { return tx.DropFlag(ctx, name) })
}

// Override says what a flag is for a tenant and all below it; nil takes that back.
func (s *Service) Override(ctx context.Context, who Who, tenant tenants.ID, name string, on *bool) error {
	if err := who.allow(); err != nil {
		return err
	}
	if !tenant.Valid() {
		return Missing("tenant")
	}
	said := "as for all"
	if on != nil {
		said = onOff(*on)
	}
	return s.update(ctx, audit.Of(who.actor(), "flag.override", name, "tenant", string(tenant), "on", said), func(tx Tx) error {
		if _, err := tx.Tenant(ctx, tenant); err != nil {
			return err
		}
		return tx.SaveOverride(ctx, tenant, name, on, who.actor(), s.Now())
	}, tenant)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}
