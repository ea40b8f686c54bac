package identity

import (
	"context"
	"strings"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Logout ends the session of who. Its device stays known.
func (s *Service) Logout(ctx context.Context, who Principal) error {
	if err := who.person(); err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error {
		if err := tx.EndSession(ctx, who.User, who.Session); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "session.end", string(who.Session)))
	})
}

// Sessions lists where who is signed in, latest first.
func (s *Service) Sessions(ctx context.Context, who Principal) (list []Session, err error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, func(tx Tx) error {
		list, err = tx.Sessions(ctx, who.User, s.now())
		return err
	})
	return list, err
}

// RenameSession lets who call one of their sessions by a name, or by none.
func (s *Service) RenameSession(ctx context.Context, who Principal, id SessionID, name string) (session *Session, err error) {
	if err := who.person(); err != nil {
		return nil, err
	}
	if name = strings.TrimSpace(name); name != "" {
		if err := checkName(name); err != nil {
			return nil, err
		}
	}
	err = s.store.Update(ctx, func(tx Tx) error {
		if session, err = ownSession(ctx, tx, who, id); err != nil {
			return err
		}
		session.Name = name
		if err := tx.SaveSession(ctx, session); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "session.rename", string(id)))
	})
	return session, err
}

// RevokeSession ends one session of who, at once and on every node. Its device
// is a stranger from then on, unless it is the one who is asking from.
func (s *Service) RevokeSession(ctx context.Context, who Principal, id SessionID) error {
	if err := who.person(); err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error {
		session, err := ownSession(ctx, tx, who, id)
		if err != nil {
			return err
		}
		here, err := optional(tx.Session(ctx, who.Session))
		if err != nil {
			return err
		}
		if here != nil && here.Device == session.Device {
			err = tx.EndSession(ctx, who.User, id)
		} else {
			err = revoke(ctx, tx, session)
		}
		if err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "session.end", string(id)))
	})
}

// RevokeOtherSessions ends every session of who but the one asking, and forgets
// every other device.
func (s *Service) RevokeOtherSessions(ctx context.Context, who Principal) error {
	if err := who.person(); err != nil {
		return err
	}
	return s.store.Update(ctx, func(tx Tx) error {
		here, err := ownSession(ctx, tx, who, who.Session)
		if err != nil {
			return err
		}
		if err := endOthers(ctx, tx, who.User, here); err != nil {
			return err
		}
		return tx.Record(ctx, audit.Of(string(who.User), "session.end_others", string(who.Session)))
	})
}

// ownSession returns a session of who that has not ended. Another person's is
// not found.
func ownSession(ctx context.Context, tx Tx, who Principal, id SessionID) (*Session, error) {
	session, err := tx.Session(ctx, id)
	if err != nil {
		return nil, err
	}
	if session.User != who.User {
		return nil, fault.New(fault.NotFound, "not_found", "There is no such thing.")
	}
	return session, nil
}
