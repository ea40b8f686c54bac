package pluginhost

import (
	"context"
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/carillonhq/carillon/plugins/sdk/wire"
)

// alone sends a suspect once, in a process that is started for it and ends with
// it. A fall is nobody's but its own, and costs nobody else a call. Its place
// is free again when that is decided.
func alone[A answer](ctx context.Context, e *entry, r request, rpc func(context.Context, *process) (A, error)) (A, error) {
	var none A
	free, err := e.poison.alone.acquire(ctx, r.call.Tenant)
	if err != nil {
		return none, err
	}
	var s *supervisor
	var p *process
	if _, err = e.poison.admit(r); err == nil { // it waited: a call before it may have been judged since
		s, p, err = e.apart(ctx, r)
	}
	if err != nil {
		free()
		return none, err
	}
	led, leave := s.visit(ctx, r)
	res, sent, failed := once(led, p, r.timeout, rpc)
	leave()
	judge := func() {
		defer free()
		defer s.part(p)
		if failed == nil || p.probe() {
			return
		}
		e.host.cfg.Log.Error("plugin ended", "plugin", e.id, "alone", true, "error", p.cause())
		if sent {
			e.blame(p, r, true)
		}
	}
	switch code := status.Code(failed); {
	case failed == nil:
		e.poison.clear(r.operation())
		wire.Clean(res)
		go judge()
		return res, nil
	case code == codes.DeadlineExceeded || code == codes.Canceled: // nobody waits for a verdict
		go judge()
	default:
		judge()
	}
	if !sent {
		return none, down("plugin.unreachable", 0, e.secrets.clean(failed))
	}
	return none, e.unclear(failed)
}

// apart starts a process for r alone, of the version that reads its state. Its
// errors are Transient faults: nothing was sent.
func (e *entry) apart(ctx context.Context, r request) (*supervisor, *process, error) {
	for range maxTurns {
		s, err := e.route(r)
		if err != nil {
			return nil, nil, err
		}
		p, err := s.apart(ctx)
		if errors.Is(err, errClosed) { // replaced meanwhile
			continue
		}
		return s, p, err
	}
	return nil, nil, down("plugin.closed", 0, nil)
}

// apart starts a process besides the one that serves. Whoever gets it is the
// only one in it, and hands it back to part.
func (s *supervisor) apart(ctx context.Context) (*process, error) {
	if err := s.mayPart(); err != nil {
		return nil, err
	}
	made := make(chan start)
	go func() {
		p, err := s.keepApart(launch(s))
		select {
		case made <- start{p: p, err: err}:
		case <-ctx.Done():
			if err == nil {
				s.part(p)
			}
		}
	}()
	select {
	case st := <-made:
		return st.p, st.err
	case <-ctx.Done():
		return nil, down("plugin.starting", 0, ctx.Err())
	}
}

// mayPart announces a start. A plugin that is left alone is left alone in this
// as well.
func (s *supervisor) mayPart() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	wait := time.Until(s.notBefore)
	switch {
	case s.closed:
		return errClosed
	case s.rest > 0 && wait > 0:
		return down("plugin.quarantined", wait, s.lastErr)
	case wait > patience:
		return down("plugin.resting", wait, s.lastErr)
	}
	s.parting.Add(1)
	s.starts.Add(1)
	return nil
}

// keepApart takes note of the process that was started, so that it ends with
// the version it is of.
func (s *supervisor) keepApart(p *process, err error) (*process, error) {
	defer s.parting.Done()
	s.mu.Lock()
	closed := s.closed
	if err == nil && !closed {
		p.gate.enter()
		s.lone = append(s.lone, p)
		go s.attend(p)
	}
	s.mu.Unlock()
	switch {
	case err != nil && !closed:
		return nil, down("plugin.not_started", patience, s.secrets.clean(err))
	case err == nil && closed:
		p.kill()
		p.release()
	}
	if closed {
		return nil, errClosed
	}
	return p, nil
}

// attend probes a process that one suspect has for itself while it is silent, as
// watch does with the one that serves. It need not find a frozen one at once,
// but long before the call's time is over.
func (s *supervisor) attend(p *process) {
	idle := s.host.cfg.Timeouts.Idle
	tick := time.NewTicker(idle)
	defer tick.Stop()
	for {
		select {
		case <-p.run.done:
			return
		case <-tick.C:
			if p.silence() >= idle {
				p.probe()
			}
		}
	}
}

// part ends a process that one call had for itself.
func (s *supervisor) part(p *process) {
	p.gate.leave()
	s.retire(p)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lone = slices.DeleteFunc(s.lone, func(other *process) bool { return other == p })
}
