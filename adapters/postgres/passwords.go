package postgres

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// refusedPassword is SQLSTATE invalid_password.
const refusedPassword = "28P01"

// accepted makes each new connection with the password that counts now, of the
// configured one and others. A login has one password at a time, and processes
// hear of its change one after the other. Nil without others: then there is
// nothing to try. The one that counted last is tried first, but tried: it may
// have been changed just now.
func accepted(others []string) func(context.Context, *pgx.ConnConfig) error {
	if len(others) == 0 {
		return nil
	}
	var last atomic.Pointer[string]
	return func(ctx context.Context, cfg *pgx.ConnConfig) error {
		all := slices.Concat([]string{cfg.Password}, others)
		if known := last.Load(); known != nil {
			all = slices.Insert(all, 0, *known)
		}
		for i, password := range all {
			if slices.Contains(all[:i], password) {
				continue
			}
			try := cfg.Copy()
			try.Password = password
			conn, err := pgx.ConnectConfig(ctx, try)
			var refused *pgconn.PgError
			if errors.As(err, &refused) && refused.Code == refusedPassword {
				continue
			}
			if err == nil {
				last.Store(&password)
				cfg.Password = password
				return conn.Close(ctx)
			}
			return nil // it is not the password: the pool tells it as ever
		}
		return nil
	}
}
