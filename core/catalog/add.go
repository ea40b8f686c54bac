package catalog

import (
	"context"
	"io"
	"slices"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// maxVersions is how many versions of a plugin are kept: the one that runs,
// those to go back to, the one that waits. The oldest others go.
const maxVersions = 10

// Upload is a bundle to take in.
type Upload struct {
	Bundle  io.Reader
	Channel Channel // of a plugin that is new; empty: stable
}

// Add takes a bundle in. A version that asks for nothing that was not approved
// runs at once, unless the plugin's channel keeps it; another waits, see
// Entry.Diff. The same bundle again keeps who signed it, unless a trusted key
// signed it by now. Errors: fault.Invalid for a bundle that is not sound, not signed
// by who it says, or for another machine; fault.Forbidden for one that nobody
// signed where that is not allowed; fault.Conflict for a builtin's id and for a
// version that is taken.
func (s *Service) Add(ctx context.Context, who tenants.Scope, up Upload) (Entry, error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return Entry{}, err
	}
	b, err := s.Bundles.Add(ctx, up.Bundle)
	if err != nil {
		return Entry{}, err
	}
	e, err := s.accept(ctx, who, b, up.Channel)
	if err != nil {
		s.discard(ctx, who, b)
	}
	return e, err
}

// discard forgets a bundle that was refused, unless it was accepted before.
func (s *Service) discard(ctx context.Context, who tenants.Scope, b Bundle) {
	ctx = context.WithoutCancel(ctx)
	err := s.Store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		_, err := tx.Version(ctx, b.Manifest.ID, b.Digest)
		return err
	})
	if fault.Is(err, fault.NotFound) {
		_ = s.Bundles.Forget(ctx, b.Digest) // what is left of it is waste, not harm
	}
}

func (s *Service) accept(ctx context.Context, who tenants.Scope, b Bundle, ch Channel) (Entry, error) {
	if _, taken := s.builtin(b.Manifest.ID); taken {
		return Entry{}, fault.New(fault.Conflict, "plugin.builtin", "%s is part of this program.", b.Manifest.ID)
	}
	if err := s.Bundles.Runs(b); err != nil {
		return Entry{}, err
	}
	var old []string
	err := s.Store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		v := Version{
			Plugin: b.Manifest.ID, Digest: b.Digest, Version: b.Manifest.Version, Platform: b.Platform, Manifest: b.Manifest,
			Command: append([]string{}, b.Command...),
			AddedBy: who.Actor(), AddedAt: s.Now(),
		}
		var err error
		if v.Level, err = s.levelOf(ctx, tx, b); err != nil {
			return err
		}
		v.Key = b.Signer.Key
		old, err = s.admit(ctx, tx, who, v, ch)
		return err
	})
	if err != nil {
		return Entry{}, err
	}
	for _, digest := range old {
		_ = s.Bundles.Forget(ctx, digest) // what is left of one is waste, not harm
	}
	return s.get(ctx, who, b.Manifest.ID)
}

// ErrUnsigned is the answer to what nobody signed where that is not taken.
func ErrUnsigned() *fault.Error {
	return fault.New(fault.Forbidden, "plugin.unsigned", "Nobody signed this bundle, and this installation does not take such.")
}

// levelOf says how far a bundle is trusted. A key vouches by its bytes: an id
// alone could be made to fit.
func (s *Service) levelOf(ctx context.Context, tx Tx, b Bundle) (Level, error) {
	if b.Signer.Key == "" {
		if !s.AllowLocal {
			return "", ErrUnsigned()
		}
		return Local, nil
	}
	keys, err := tx.Keys(ctx)
	if err != nil {
		return "", err
	}
	for _, k := range keys {
		if k.ID == b.Signer.Key && slices.Equal(k.Public, b.Signer.Public) {
			return Verified, nil
		}
	}
	return Community, nil
}

// admit puts a version into the catalog and returns those that are let go.
func (s *Service) admit(ctx context.Context, tx Tx, who tenants.Scope, v Version, ch Channel) (old []string, err error) {
	p, err := tx.Plugin(ctx, v.Plugin)
	if fault.Is(err, fault.NotFound) {
		p, err = newPlugin(v.Plugin, v.Level, s.Now()), nil
		if ch != "" {
			p.Channel = ch
		}
	}
	if err != nil {
		return nil, err
	}
	all, err := tx.Versions(ctx, v.Plugin)
	if err != nil {
		return nil, err
	}
	for _, have := range all {
		if have.Version == v.Version && have.Digest != v.Digest && (have.Level != Local || v.Level != Local) {
			return nil, fault.New(fault.Conflict, "plugin.version_taken", "Version %s of %s is another bundle. A version never changes: raise it.", v.Version, v.Plugin)
		}
	}
	v = v.signedAgain(find(all, v.Digest))
	runs := p.receive(&v, find(all, p.Active))
	if err := tx.SaveVersion(ctx, &v); err != nil {
		return nil, err
	}
	if old, err = prune(ctx, tx, p, all); err != nil {
		return nil, err
	}
	if err := s.keep(ctx, tx, who, p, &v, receipt(runs, p, v)); err != nil {
		return nil, err
	}
	return old, tx.Record(ctx, recordOf(who, "plugin.add", p, &v))
}

// receipt is what happened to a version that came in.
func receipt(runs bool, p *Plugin, v Version) []string {
	switch {
	case runs && p.Previous != "":
		return []string{EventAdded, EventUpgraded}
	case p.Pending == v.Digest:
		return []string{EventAdded, EventPending}
	}
	return []string{EventAdded}
}

// prune lets the oldest versions go, but for those in use.
func prune(ctx context.Context, tx Tx, p *Plugin, all []Version) (gone []string, err error) {
	for i, v := range all {
		if i+1 < maxVersions || slices.Contains([]string{p.Active, p.Pending, p.Previous}, v.Digest) {
			continue
		}
		if err := tx.DropVersion(ctx, p.ID, v.Digest); err != nil {
			return nil, err
		}
		gone = append(gone, v.Digest)
	}
	return gone, nil
}

// keep saves a plugin and says what happened to it.
func (s *Service) keep(ctx context.Context, tx Tx, who tenants.Scope, p *Plugin, v *Version, happened []string) error {
	if err := tx.SavePlugin(ctx, p); err != nil {
		return err
	}
	data := EventData{Plugin: p.ID, Level: p.Level, Actor: who.Actor()}
	if v != nil {
		data.Version, data.Digest, data.Level = v.Version, v.Digest, v.Level
	}
	for _, event := range happened {
		if err := tx.Emit(ctx, event, p.Name, data); err != nil {
			return err
		}
	}
	return nil
}

func find(all []Version, digest string) *Version {
	for i := range all {
		if all[i].Digest == digest {
			return &all[i]
		}
	}
	return nil
}
