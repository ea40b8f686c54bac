package postgres

import (
	"context"
	"errors"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// refusedPassword is SQLSTATE invalid_password.
const refusedPassword = "28P01"

// accepted makes each new connection with the password that counts now, of the
// configured one and others. A login has one password at a time, and processes
// hear of its change one after the other. Nil without others: then there is
// nothing to try.
func accepted(others []string) func(context.Context, *pgx.ConnConfig) error {
	if len(others) == 0 {
		return nil
	}
	return func(ctx context.Context, cfg *pgx.ConnConfig) error {
		for _, password := range slices.Concat([]string{cfg.Password}, others) {
			try := cfg.Copy()
			try.Password = password
			conn, err := pgx.ConnectConfig(ctx, try)
			var refused *pgconn.PgError
			if errors.As(err, &refused) && refused.Code == refusedPassword {
				continue
			}
			if err == nil {
				cfg.Password = password
				return conn.Close(ctx)
			}
			return nil // it is not the password: the pool tells it as ever
		}
		return nil
	}
}
