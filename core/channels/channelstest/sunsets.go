package channelstest

import (
	"context"
	"slices"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/tenants"
)

// Untold implements channels.System.
func (s *Store) Untold(_ context.Context, x channels.Sunset, limit int) (out []tenants.ID, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, r := range s.all {
		for _, c := range r.channels {
			if c.Platform == x.Platform && c.State != channels.Disconnected && !slices.ContainsFunc(r.sunsets, same(x)) {
				out = append(out, t)
				break
			}
		}
	}
	return out[:min(limit, len(out))], nil
}

func (tx memTx) NoteSunset(_ context.Context, x channels.Sunset) (bool, error) {
	if slices.ContainsFunc(tx.sunsets, same(x)) {
		return false, nil
	}
	tx.sunsets = append(tx.sunsets, x)
	return true, nil
}

func same(x channels.Sunset) func(channels.Sunset) bool {
	return func(y channels.Sunset) bool {
		return x.Platform == y.Platform && x.APIVersion == y.APIVersion && x.On.Equal(y.On)
	}
}

// sunsets are told of to each tenant that has a channel there, once.
func sunsets(w *world) {
	w.connected()
	x := channels.Sunset{Platform: "test.platform", APIVersion: "v2", On: at(0).Truncate(24 * 60 * 60 * 1e9)}
	listed := func(x channels.Sunset) (us, them bool) {
		all, err := w.Store.Untold(w.ctx, x, 10_000)
		w.must(err)
		return slices.Contains(all, w.Us), slices.Contains(all, w.Them)
	}
	note := func() (news bool) {
		w.must(w.update(func(ctx context.Context, tx channels.Tx) (err error) {
			news, err = tx.NoteSunset(ctx, x)
			return err
		}))
		return news
	}
	if us, them := listed(x); !us || them {
		w.Errorf("listed: us %t, them %t", us, them)
	}
	if !note() || note() {
		w.Error("it is news once")
	}
	later, other := x, x
	later.On, other.Platform = x.On.AddDate(0, 0, 1), "other.platform"
	for name, tc := range map[string]struct {
		x    channels.Sunset
		want bool
	}{"the same": {x, false}, "on another day": {later, true}, "of another platform": {other, false}} {
		if us, _ := listed(tc.x); us != tc.want {
			w.Errorf("%s: listed is %t", name, us)
		}
	}
}
