package pluginhost

import (
	"context"
	"errors"
	"slices"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// Install adds a plugin while the host runs. It is started and has to answer
// before anybody can ask for it. Errors: Conflict if there is one with that ID;
// Invalid, with the reason as its cause, if it does not start or is not what
// the spec says. Nothing of it is left then.
func (h *Host) Install(ctx context.Context, spec Spec) error {
	program, err := h.programFor(spec)
	if err != nil {
		return rejected(err)
	}
	if h.entry(spec.ID) != nil {
		return installed()
	}
	e := newEntry(h, spec, program)
	if err := e.current.prove(ctx); err != nil {
		return errors.Join(err, e.close(ctx))
	}
	if err := h.add(e); err != nil {
		return errors.Join(err, e.close(ctx))
	}
	return nil
}

// Upgrade puts another program in the place of the plugin with the same ID. The
// new one is started and has to answer first; then every call that begins goes
// to it, and those under way finish where they are. Operations whose state it
// does not read stay with the old one, for Timeouts.Pinned after the last of
// them. No call fails because of an upgrade. Errors: NotFound if there is no
// such plugin; Conflict while another upgrade is under way; Invalid, with the
// reason as its cause, if the new one does not start or cannot take over. The
// old one serves on then.
func (h *Host) Upgrade(ctx context.Context, spec Spec) error {
	e := h.entry(spec.ID)
	if e == nil {
		return unknown()
	}
	done, err := e.change()
	if err != nil {
		return err
	}
	defer done()
	program, err := h.programFor(spec)
	if err != nil {
		return rejected(err)
	}
	next := newSupervisor(e, spec, program)
	_, _ = e.describe(ctx) // what is not known of the old one cannot be held against the new
	err = next.prove(ctx)
	if err == nil {
		err = takesOver(e.serving().known(), next.known())
	}
	if err == nil {
		err = e.replace(next)
	}
	if err != nil {
		return errors.Join(err, next.close(ctx))
	}
	return nil
}

// Remove ends a plugin: no call is let in any more, those under way finish
// until ctx ends or Timeouts.Drain has passed. Errors: NotFound.
func (h *Host) Remove(ctx context.Context, id string) error {
	h.mu.Lock()
	e := h.plugins[id]
	delete(h.plugins, id)
	h.order = slices.DeleteFunc(h.order, func(other string) bool { return other == id })
	h.mu.Unlock()
	if e == nil {
		return unknown()
	}
	ctx, cancel := context.WithTimeout(ctx, h.cfg.Timeouts.Drain)
	defer cancel()
	return e.close(ctx)
}

// add makes a plugin known.
func (h *Host) add(e *entry) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.life.Err() != nil:
		return fault.New(fault.Conflict, "plugin.closed", "The plugin host is closing.")
	case h.plugins[e.id] != nil:
		return installed()
	}
	h.plugins[e.id] = e
	h.order = append(h.order, e.id)
	return nil
}

// change lets one change of a plugin happen at a time.
func (e *entry) change() (done func(), err error) {
	select {
	case e.changing <- struct{}{}:
		return func() { <-e.changing }, nil
	default:
		return nil, fault.New(fault.Conflict, "plugin.changing", "This plugin is being changed already.")
	}
}

// prove starts a version and asks it for its manifest and its health.
func (s *supervisor) prove(ctx context.Context) error {
	p, err := s.process(ctx)
	if err == nil && !p.probe() {
		err = p.cause()
	}
	if err == nil {
		return nil
	}
	var f *social.Fault
	if errors.As(err, &f) && f.Err != nil {
		err = f.Err
	}
	return rejected(s.secrets.clean(err))
}

// takesOver reports whether next can go on with what was begun on before, the
// accounts and the segments in doubt.
func takesOver(before, next *social.Manifest) error {
	switch {
	case before == nil:
		return nil
	case before.Auth.Kind != next.Auth.Kind && before.Auth.Kind != social.AuthNone:
		return rejected(errors.New("it signs accounts in another way than the version before, so that they would all be lost"))
	case before.Can(social.CanFind) && !next.Can(social.CanFind):
		return rejected(errors.New("it cannot look up what the version before may have published"))
	}
	return nil
}

func rejected(err error) error {
	return fault.New(fault.Invalid, "plugin.rejected", "The plugin cannot be used: %.500s.", err).Because(err)
}

func installed() error {
	return fault.New(fault.Conflict, "plugin.installed", "There is a plugin with this ID already.")
}

func unknown() error {
	return fault.New(fault.NotFound, "plugin.unknown", "There is no such platform here.")
}
