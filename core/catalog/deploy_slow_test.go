package catalog_test

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"testing"

	"github.com/carillonhq/carillon/core/catalog"
)

// slow is a host on which one plugin takes until it is told.
type slow struct {
	machine
	id    string
	began chan struct{}
	goOn  chan error
}

func (s *slow) Install(ctx context.Context, u catalog.Unit) error {
	if u.ID == s.id {
		s.began <- struct{}{}
		if err := <-s.goOn; err != nil {
			return err
		}
	}
	return s.machine.Install(ctx, u)
}

func (s *slow) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Sorted(slices.Values(s.did))
}

// A plugin that takes minutes to start holds up neither those beside it nor what
// the catalog says meanwhile; what it fails at is tried once a round.
func TestOneSlowPluginHoldsNobodyUp(t *testing.T) {
	w := newWorld(t)
	w.trust(t, signer('a'))
	h := &slow{id: "org.example.aaa", began: make(chan struct{}, 9), goOn: make(chan error)}
	d := catalog.NewDeployer(w.store, h, w.Builtins)
	if d.InUse() != nil {
		t.Errorf("before the catalog was read: %v", d.InUse())
	}
	w.add(t, bundle(h.id, "1.0.0", signer('a')))
	first := make(chan error)
	go func() { first <- d.Sync(t.Context()) }()
	<-h.began
	other := bundle("org.example.zebra", "1.0.0", signer('a'))
	w.add(t, other)
	second := make(chan error)
	ctx, giveUp := context.WithCancel(t.Context())
	go func() { second <- d.Sync(ctx) }()
	for ; len(h.all()) == 0; runtime.Gosched() { // the second round gets to it while the first waits
		if t.Context().Err() != nil {
			t.Fatal("the test ended")
		}
	}
	if did := h.all(); !slices.Equal(did, []string{"install org.example.zebra " + other.Digest}) {
		t.Errorf("did %q", did)
	}
	if !d.InUse()[other.Digest] {
		t.Error("what runs is not in use")
	}
	h.goOn <- errors.New("it does not start")
	for _, end := range []chan error{first, second} {
		if err := <-end; err == nil {
			t.Error("no word of the failure")
		}
	}
	giveUp()
	if len(h.began) != 0 || d.Failing()[h.id] == nil {
		t.Errorf("tried %d times more; failing %v", len(h.began), d.Failing())
	}
	go func() { h.goOn <- nil }()
	must(t, d.Sync(t.Context()))
	if len(d.Failing()) != 0 || len(h.all()) != 2 {
		t.Errorf("failing %v, did %q", d.Failing(), h.all())
	}
}
