package admintest

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"time"

	"github.com/carillonhq/carillon/core/admin"
)

const noOperator = "operator.not_found"

func (tx *memTx) Operator(_ context.Context, name admin.OperatorID) (*admin.Operator, error) {
	return get(tx.operators, name, noOperator)
}

func (tx *memTx) OperatorByEmail(_ context.Context, address string) (*admin.Operator, error) {
	return first(tx.operators, func(o admin.Operator) bool { return o.Email == address }, noOperator)
}

func (tx *memTx) OperatorByLink(_ context.Context, h admin.Hash, now time.Time) (*admin.Operator, error) {
	return first(tx.operators, func(o admin.Operator) bool { return h != admin.Hash{} && o.Link == h && now.Before(o.LinkEnds) }, noOperator)
}

func (tx *memTx) Operators(context.Context) ([]admin.Operator, error) {
	return sorted(tx.operators, func(a, b admin.Operator) int { return cmp.Compare(a.ID, b.ID) }), nil
}

func sorted[K comparable, V any](m map[K]V, by func(a, b V) int) []V {
	return slices.SortedFunc(maps.Values(m), by)
}

func (tx *memTx) SaveOperator(_ context.Context, o *admin.Operator) error {
	tx.operators[o.ID] = *o
	return nil
}

func (tx *memTx) RemoveOperator(ctx context.Context, name admin.OperatorID) error {
	if _, ok := tx.operators[name]; !ok {
		return missing(noOperator)
	}
	delete(tx.operators, name)
	return tx.EndSessions(ctx, name)
}

func (tx *memTx) AddSession(ctx context.Context, s *admin.Session) error {
	for name, old := range tx.sessions {
		if old.ExpiresAt.Before(s.CreatedAt) {
			_ = tx.EndSession(ctx, name) // it is there
		}
	}
	tx.sessions[s.ID] = *s
	return nil
}

func (tx *memTx) EndSession(_ context.Context, name admin.SessionID) error {
	delete(tx.sessions, name)
	maps.DeleteFunc(tx.acting, func(_ string, i admin.Impersonation) bool { return i.Session == name })
	return nil
}

func (tx *memTx) EndSessions(ctx context.Context, of admin.OperatorID) error {
	for name, s := range tx.sessions {
		if s.Operator == of {
			_ = tx.EndSession(ctx, name) // it is there
		}
	}
	return nil
}

func (tx *memTx) Guard(_ context.Context, key string) (admin.Guard, error) {
	return tx.guards[key], nil
}

func (tx *memTx) SaveGuard(_ context.Context, key string, g admin.Guard) error {
	tx.guards[key] = g
	return nil
}

func (tx *memTx) AddImpersonation(_ context.Context, i *admin.Impersonation) error {
	tx.acting[i.ID] = *i
	return nil
}

func (tx *memTx) EndImpersonation(_ context.Context, of admin.OperatorID, name string) (*admin.Impersonation, error) {
	i, ok := tx.acting[name]
	if !ok || i.Operator != of {
		return nil, missing("impersonation.not_found")
	}
	delete(tx.acting, name)
	return &admin.Impersonation{ID: name, Operator: of, User: i.User, Tenant: i.Tenant, Reason: i.Reason}, nil
}
