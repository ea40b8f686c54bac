package registry

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/secret"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// InvitationID names an invitation, such as "inv_01jd…".
type InvitationID string

// InvitationState says what became of an invitation.
type InvitationState string

// The states. An invitation that ran out is Expired, whether or not anybody
// has written that down; see Invitation.At.
const (
	InvitationPending  InvitationState = "pending"
	InvitationAccepted InvitationState = "accepted"
	InvitationRevoked  InvitationState = "revoked"
	InvitationExpired  InvitationState = "expired"
)

// Figures of invitations.
const (
	InviteTTL      = 7 * 24 * time.Hour // from the last letter on
	MaxInvitations = 200                // that wait, in one tenant
	maxLetters     = 10                 // of one invitation
	letterEvery    = time.Minute        // between two of them
	maxAddress     = 254                // RFC 5321, 4.5.3.1.3
)

// An Invitation lets whoever reads the mail of an address become a member.
type Invitation struct {
	ID         InvitationID
	Email      string // as identity.Address returns it
	Role       tenants.Role
	State      InvitationState
	InvitedBy  tenants.UserID // whose right to invite it borrows; empty: the installation's
	Actor      string         // they, or the key they used
	Hashes     []Hash         // of the links in the last letter; a letter may be sent twice
	Sent       int            // letters asked for
	SentAt     time.Time      // when the last was
	ExpiresAt  time.Time
	AcceptedBy tenants.UserID
	ClosedAt   time.Time // when it was accepted or revoked
	Version    int       // bumped by every save; a stale save is a conflict
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// Hash is what is kept of the secret in a link. It holds 256 random bits, so a
// fast hash is enough.
type Hash [sha256.Size]byte

// At is the state of the invitation at now.
func (i *Invitation) At(now time.Time) InvitationState {
	if i.State == InvitationPending && !now.Before(i.ExpiresAt) {
		return InvitationExpired
	}
	return i.State
}

// Check holds the invariants. Every save runs it.
func (i *Invitation) Check() error {
	at := strings.IndexByte(i.Email, '@')
	switch {
	case at < 1 || len(i.Email) > maxAddress || i.Email != strings.ToLower(i.Email) || strings.ContainsFunc(i.Email, func(r rune) bool { return r <= ' ' || r > '~' }):
		return fault.New(fault.Invalid, "email.invalid", "This does not look like an e-mail address.").On("/email")
	case i.Role == tenants.Owner:
		return ownedByOffer()
	}
	return nil
}

// send asks for another letter. The links of the one before stop working.
func (i *Invitation) send(now time.Time) error {
	if i.Sent >= maxLetters {
		return fault.New(fault.Conflict, "invitation.too_many_letters", "%d letters are enough. Revoke this invitation and make another.", maxLetters)
	}
	if wait := i.SentAt.Add(letterEvery).Sub(now); i.Sent > 0 && wait > 0 {
		return fault.New(fault.RateLimited, "invitation.just_sent", "A letter has just been sent. Give it a minute.").After(wait)
	}
	i.Hashes, i.Sent, i.SentAt, i.ExpiresAt, i.UpdatedAt = nil, i.Sent+1, now, now.Add(InviteTTL), now
	return nil
}

func (i *Invitation) close(as InvitationState, now time.Time) {
	i.State, i.Hashes, i.ClosedAt, i.UpdatedAt = as, nil, now, now
}

// Invite has a link mailed to email that makes its reader a member with role.
// The caller brings the address in the form identity.Address returns. It
// returns fault.Forbidden for a role that may do more than who, fault.Conflict
// if the address is invited already or a member's, and fault.Quota if the plan has no seat left.
func (s *Service) Invite(ctx context.Context, who tenants.Scope, email string, role tenants.Role) (*Invitation, error) {
	if err := s.authz.Allow(ctx, who, ActMemberManage); err != nil {
		return nil, err
	}
	given, err := s.mayGive(ctx, who, role)
	if err != nil {
		return nil, err
	}
	now := s.now()
	inv := &Invitation{
		ID: InvitationID(id.At("inv", now)), Email: email, Role: role, State: InvitationPending,
		InvitedBy: who.User, Actor: who.Actor(), CreatedAt: now,
	}
	if err := inv.send(now); err != nil {
		return nil, err
	}
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if err := given.unchanged(ctx, tx); err != nil {
			return err
		}
		if err := s.onlyOne(ctx, tx, email, now); err != nil {
			return err
		}
		if err := seat(ctx, tx, who.Tier, now, true); err != nil {
			return err
		}
		if err := tx.SaveInvitation(ctx, inv); err != nil {
			return err
		}
		if err := tx.Send(ctx, Letter{Invitation: inv.ID, Number: inv.Sent}); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "invitation.create", string(inv.ID), "role", string(role)))
	})
	if err != nil {
		return nil, err
	}
	return inv, nil
}

// onlyOne makes room for an invitation of email: there is none that is alive,
// and the address is no member's.
func (s *Service) onlyOne(ctx context.Context, tx Tx, email string, now time.Time) error {
	if member, err := tx.MemberAt(ctx, email); err != nil {
		return err
	} else if member {
		return fault.New(fault.Conflict, "member.exists", "This address is a member's already. Change their role instead.").On("/email")
	}
	old, err := tx.OpenInvitation(ctx, email)
	switch {
	case fault.Is(err, fault.NotFound):
		return nil
	case err != nil:
		return err
	case old.At(now) == InvitationPending:
		return fault.New(fault.Conflict, "invitation.exists", "This address is invited already. Send the letter again, or revoke it first.").On("/email")
	}
	old.close(InvitationExpired, now)
	return tx.SaveInvitation(ctx, old)
}

// Invitations lists up to limit invitations, latest first and from before on.
func (s *Service) Invitations(ctx context.Context, who tenants.Scope, before InvitationID, limit int) (all []Invitation, err error) {
	if err := s.authz.Allow(ctx, who, ActMemberRead); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, who.Tenant, func(tx Tx) error {
		all, err = tx.Invitations(ctx, before, limit)
		return err
	})
	now := s.now()
	for i := range all {
		all[i].State = all[i].At(now)
	}
	return all, err
}

// Resend has another letter sent and lets the invitation live for another
// InviteTTL, also if it had run out. The link in the letter before stops
// working. It returns fault.Conflict for one that is accepted or revoked, and
// fault.RateLimited if a letter was just sent.
func (s *Service) Resend(ctx context.Context, who tenants.Scope, name InvitationID) (*Invitation, error) {
	return s.reinvite(ctx, who, name, "invitation.resend", func(tx Tx, inv *Invitation, now time.Time) error {
		if inv.State != InvitationPending {
			return closed()
		}
		if inv.At(now) == InvitationExpired {
			if err := seat(ctx, tx, who.Tier, now, true); err != nil {
				return err
			}
		}
		inv.InvitedBy, inv.Actor = who.User, who.Actor()
		if err := inv.send(now); err != nil {
			return err
		}
		return tx.Send(ctx, Letter{Invitation: inv.ID, Number: inv.Sent})
	})
}

// Revoke makes the link of an invitation stop working. Doing it twice is
// harmless; what is accepted is a fault.Conflict.
func (s *Service) Revoke(ctx context.Context, who tenants.Scope, name InvitationID) error {
	_, err := s.reinvite(ctx, who, name, "invitation.revoke", func(_ Tx, inv *Invitation, now time.Time) error {
		if inv.State == InvitationAccepted {
			return closed()
		}
		inv.close(InvitationRevoked, now)
		return nil
	})
	return err
}

// reinvite changes an invitation whose role who may give.
func (s *Service) reinvite(ctx context.Context, who tenants.Scope, name InvitationID, action string, how func(Tx, *Invitation, time.Time) error) (inv *Invitation, err error) {
	if err := s.authz.Allow(ctx, who, ActMemberManage); err != nil {
		return nil, err
	}
	if err := s.store.View(ctx, who.Tenant, func(tx Tx) error {
		inv, err = tx.Invitation(ctx, name)
		return err
	}); err != nil {
		return nil, err
	}
	given, err := s.mayGive(ctx, who, inv.Role)
	if err != nil {
		return nil, err
	}
	now := s.now()
	err = s.store.Update(ctx, who.Tenant, func(tx Tx) error {
		if err := given.unchanged(ctx, tx); err != nil {
			return err
		}
		if inv, err = tx.Invitation(ctx, name); err != nil {
			return err
		}
		if err := how(tx, inv, now); err != nil {
			return err
		}
		if err := tx.SaveInvitation(ctx, inv); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, action, string(name), "role", string(inv.Role)))
	})
	if err != nil {
		return nil, err
	}
	inv.State = inv.At(now)
	return inv, nil
}

// invitePrefix begins every link's token, for people who find one in a log and
// for scanners. The names of the tenant and of the invitation follow, then the
// secret: a link opens its own tenant's door and is looked for behind no other.
const invitePrefix = "civ_"

// half is the length of one of the names in a token, secretSize that of the
// secret: two texts of crypto/rand.
const (
	half       = 26
	secretSize = 52
)

// newLink returns the token of a fresh link and the hash to know it by.
func newLink(tenant tenants.ID, inv InvitationID) (secret.Secret, Hash) {
	token := invitePrefix + strings.TrimPrefix(string(tenant), "ten_") + strings.TrimPrefix(string(inv), "inv_") +
		strings.ToLower(rand.Text()+rand.Text())
	return secret.Secret(token), sha256.Sum256([]byte(token))
}

// readLink returns what a token names.
func readLink(token secret.Secret) (tenant tenants.ID, inv InvitationID, hash Hash, err error) {
	rest, ok := strings.CutPrefix(token.Reveal(), invitePrefix)
	if !ok || len(rest) != 2*half+secretSize || !utf8.ValidString(rest) {
		return "", "", hash, noLink()
	}
	tenant, inv = tenants.ID("ten_"+rest[:half]), InvitationID("inv_"+rest[half:2*half])
	if !tenant.Valid() || !id.Is("inv", string(inv)) {
		return "", "", hash, noLink()
	}
	return tenant, inv, sha256.Sum256([]byte(token.Reveal())), nil
}

// opens reports whether a link with hash still opens the invitation.
func (i *Invitation) opens(hash Hash, now time.Time) bool {
	return i.At(now) == InvitationPending && slices.Contains(i.Hashes, hash)
}

// noLink answers for every link that does not work, whatever the reason.
func noLink() error {
	return fault.New(fault.Invalid, "invitation.link", "This invitation has expired, was taken back or is used already. Ask for another.").On("/token")
}

func closed() error {
	return fault.New(fault.Conflict, "invitation.closed", "This invitation is accepted or revoked.")
}
