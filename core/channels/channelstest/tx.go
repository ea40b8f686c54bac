package channelstest

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants/audit/audittest"
)

// memTx implements channels.Tx on a copy of a tenant's rows.
type memTx struct {
	audittest.Recorder
	*rows
	s *Store
}

func (tx memTx) Emit(_ context.Context, event, subject string, data any) error {
	b, err := json.Marshal(data)
	tx.events = append(tx.events, Event{Type: event, Subject: subject, Data: string(b)})
	return err
}

func (tx memTx) Channel(_ context.Context, id channels.ID) (*channels.Channel, error) {
	c, ok := tx.channels[id]
	if !ok {
		return nil, missing()
	}
	return tx.healthy(c), nil
}

// healthy fills in what a channel shows of its grant.
func (tx memTx) healthy(c channels.Channel) *channels.Channel {
	g := tx.grants[c.Grant]
	c.Health = channels.Health{ExpiresAt: g.ExpiresAt, RefreshedAt: g.RefreshedAt, Failures: g.Failures, Problem: g.Problem}
	return &c
}

func (tx memTx) ByAccount(_ context.Context, platform, home, account string) (*channels.Channel, error) {
	for _, c := range tx.channels {
		if c.Platform == platform && c.Home() == home && c.Account.ID == account {
			return tx.healthy(c), nil
		}
	}
	return nil, missing()
}

func (tx memTx) Channels(_ context.Context, q channels.Query) ([]channels.Channel, error) {
	if q.Limit <= 0 {
		q.Limit = 20
	}
	out := []channels.Channel{}
	for _, c := range tx.channels {
		if c.ID > q.After && match(q.Platform, c.Platform) && match(q.State, c.State) && match(q.Grant, c.Grant) {
			out = append(out, *tx.healthy(c))
		}
	}
	slices.SortFunc(out, func(a, b channels.Channel) int { return cmp.Compare(a.ID, b.ID) })
	return out[:min(q.Limit, len(out))], nil
}

func match[T ~string](want, got T) bool { return want == "" || want == got }

func (tx memTx) SaveChannel(_ context.Context, c *channels.Channel) error {
	if err := c.Check(); err != nil {
		return err
	}
	if tx.channels[c.ID].Version != c.Version {
		return channels.Stale()
	}
	for _, other := range tx.channels {
		if other.ID != c.ID && other.Platform == c.Platform && other.Home() == c.Home() && other.Account.ID == c.Account.ID {
			return channels.Stale()
		}
	}
	c.Version++
	c.UpdatedAt = tx.s.now()
	tx.channels[c.ID] = *c
	return nil
}

func (tx memTx) Grant(_ context.Context, id channels.GrantID) (*channels.Grant, error) {
	g, ok := tx.grants[id]
	if !ok {
		return nil, missing()
	}
	return &g.Grant, nil
}

func (tx memTx) AddGrant(_ context.Context, g *channels.Grant) error {
	if len(g.Sealed) == 0 {
		return noSecret()
	}
	added := *g
	added.Generation = 1
	tx.grants[g.ID] = grant{Grant: added}
	return nil
}

func noSecret() error {
	return fault.New(fault.Internal, "channel.no_secret", "Something went wrong on our side.")
}

func (tx memTx) DropGrants(context.Context) error {
	used := map[channels.GrantID]bool{}
	for _, c := range tx.channels {
		used[c.Grant] = true
	}
	for id := range tx.grants {
		if !used[id] {
			delete(tx.grants, id)
			delete(tx.renewals, id)
		}
	}
	return nil
}

func (tx memTx) Lease(_ context.Context, id channels.GrantID, generation int64, ttl time.Duration) (int64, bool, error) {
	g, ok := tx.grants[id]
	now := tx.s.now()
	if !ok || g.Generation != generation || g.LeasedUntil.After(now) {
		return 0, false, nil
	}
	g.fence++
	g.LeasedUntil = now.Add(ttl)
	tx.grants[id] = g
	line := channels.Renewal{Fence: g.fence, Generation: generation, StartedAt: now}
	tx.renewals[id] = append([]channels.Renewal{line}, tx.renewals[id]...)
	return g.fence, true, nil
}

func (tx memTx) Renew(_ context.Context, next *channels.Grant, fence int64) (bool, error) {
	if len(next.Sealed) == 0 {
		return false, noSecret()
	}
	g, ok := tx.grants[next.ID]
	if !ok || g.fence != fence || g.Generation != next.Generation-1 {
		return false, nil
	}
	g.Grant = *next
	g.LeasedUntil = time.Time{}
	tx.close(g, "renewed")
	return true, nil
}

func (tx memTx) Postpone(_ context.Context, old *channels.Grant, fence int64, again time.Time, problem string) (bool, error) {
	g, ok := tx.grants[old.ID]
	if !ok || g.fence != fence || g.Generation != old.Generation {
		return false, nil
	}
	g.RefreshAt, g.Problem, g.LeasedUntil = again, problem, time.Time{}
	g.Failures++
	tx.close(g, problem)
	return true, nil
}

func (tx memTx) close(g grant, outcome string) {
	tx.grants[g.ID] = g
	lines := slices.Clone(tx.renewals[g.ID])
	lines[0].EndedAt, lines[0].Outcome = tx.s.now(), outcome
	tx.renewals[g.ID] = lines
}

func (tx memTx) Renewals(_ context.Context, id channels.GrantID) ([]channels.Renewal, error) {
	lines := tx.renewals[id]
	return lines[:min(100, len(lines))], nil
}

func (tx memTx) Connection(_ context.Context, id channels.ConnectionID) (*channels.Connection, error) {
	c, ok := tx.connections[id]
	if !ok {
		return nil, missing()
	}
	return &c, nil
}

func (tx memTx) SaveConnection(_ context.Context, c *channels.Connection) error {
	if tx.connections[c.ID].Version != c.Version {
		return channels.Stale()
	}
	c.Version++
	kept := *c
	kept.Redirect, kept.Binding = "", ""
	tx.connections[c.ID] = kept
	return nil
}

func (tx memTx) App(_ context.Context, platform, instance string) (*channels.App, error) {
	a, ok := tx.apps[[2]string{platform, instance}]
	if !ok {
		return nil, missing()
	}
	return &a, nil
}

func (tx memTx) SaveApp(_ context.Context, a *channels.App) error {
	if err := a.Check(); err != nil {
		return err
	}
	key := [2]string{a.Platform, a.Instance}
	if tx.apps[key].Version != a.Version {
		return channels.Stale()
	}
	a.Version++
	tx.apps[key] = *a
	return nil
}

func (tx memTx) Spend(_ context.Context, platform string, claims []channels.Claim) (*channels.Refusal, error) {
	return tx.quotas.spend(tx.s.now(), platform, claims), nil
}

func (tx memTx) GiveBack(_ context.Context, platform string, claims []channels.Claim) error {
	tx.quotas.giveBack(platform, claims)
	return nil
}

func (tx memTx) Park(_ context.Context, platform string, c channels.Claim, d time.Duration) error {
	tx.quotas.park(tx.s.now(), platform, c, d)
	return nil
}

// quotas are allowances: when each was used, and until when it is closed.
type quotas map[quotaKey]quota

type quotaKey struct {
	platform, name string
	scope          social.QuotaScope
	subject        string
}

func (q quotas) giveBack(platform string, claims []channels.Claim) {
	for _, c := range claims {
		if row, ok := q[keyOf(platform, c)]; ok {
			row.used = row.used[:max(len(row.used)-c.Cost, 0)]
			q[keyOf(platform, c)] = row
		}
	}
}

type quota struct {
	used   []time.Time
	window time.Duration
	parked time.Time
}

func keyOf(platform string, c channels.Claim) quotaKey {
	return quotaKey{platform, c.Name, c.Scope, c.Subject}
}

func (q quotas) closed(now time.Time, platform string) (out []channels.Refusal) {
	for k, row := range q {
		if left := row.parked.Sub(now); left > 0 && k.platform == platform {
			out = append(out, channels.Refusal{Name: k.name, Scope: k.scope, Subject: k.subject, RetryAfter: left})
		}
	}
	slices.SortFunc(out, func(a, b channels.Refusal) int { return cmp.Compare(b.RetryAfter, a.RetryAfter) })
	return out
}

func (q quotas) spend(now time.Time, platform string, claims []channels.Claim) *channels.Refusal {
	for _, c := range claims {
		if left := q[keyOf(platform, c)].parked.Sub(now); left > 0 {
			return &channels.Refusal{Name: c.Name, Scope: c.Scope, Subject: c.Subject, RetryAfter: left}
		}
	}
	for _, c := range claims {
		row := q[keyOf(platform, c)]
		row.used = slices.DeleteFunc(slices.Clone(row.used), func(at time.Time) bool { return c.Cost > 0 && now.Sub(at) > c.Window })
		if c.Cost > 0 && len(row.used)+c.Cost > c.Limit {
			return &channels.Refusal{Name: c.Name, Scope: c.Scope, Subject: c.Subject, RetryAfter: c.Window}
		}
		row.window = c.Window
		row.used = append(row.used, slices.Repeat([]time.Time{now}, c.Cost)...)
		if c.Cost > 0 {
			q[keyOf(platform, c)] = row
		}
	}
	return nil
}

func (q quotas) purge(before time.Time) (n int) {
	for k, row := range q {
		over := len(row.used) == 0 || row.used[len(row.used)-1].Add(row.window+row.window/8).Before(before)
		if over && row.parked.Before(before) {
			delete(q, k)
			n++
		}
	}
	return n
}

func (q quotas) park(now time.Time, platform string, c channels.Claim, d time.Duration) {
	row := q[keyOf(platform, c)]
	if until := now.Add(d); until.After(row.parked) {
		row.parked = until
	}
	q[keyOf(platform, c)] = row
}
