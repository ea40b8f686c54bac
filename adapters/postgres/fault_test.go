package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/ports/fault"
)

func TestAsFault(t *testing.T) {
	for name, tc := range map[string]struct {
		err  error
		want fault.Code
	}{
		"a fault":           {fault.New(fault.Quota, "x", "x"), fault.Quota},
		"no rows":           {pgx.ErrNoRows, fault.NotFound},
		"a known key":       {&pgconn.PgError{Code: "23505", ConstraintName: "roles_pkey"}, fault.Conflict},
		"an unknown key":    {&pgconn.PgError{Code: "23505", ConstraintName: "mystery"}, fault.Internal},
		"a policy":          {&pgconn.PgError{Code: "42501"}, fault.Internal},
		"a deadlock":        {&pgconn.PgError{Code: "40P01"}, fault.Conflict},
		"too slow":          {&pgconn.PgError{Code: "57014"}, fault.Canceled},
		"shutting down":     {&pgconn.PgError{Code: "57P01"}, fault.Unavailable},
		"too many":          {&pgconn.PgError{Code: "53300"}, fault.Unavailable},
		"nobody listens":    {&pgconn.ConnectError{}, fault.Unavailable},
		"cut off":           {fmt.Errorf("receive message failed: %w", io.ErrUnexpectedEOF), fault.Unavailable},
		"cut off, in words": {errors.New("failed to deallocate: unexpected EOF"), fault.Unavailable},
		"closed":            {errors.New("conn closed"), fault.Unavailable},
		"caller went away":  {context.Canceled, fault.Canceled},
		"something unheard": {errors.New("x"), fault.Internal},
	} {
		got := fault.Of(postgres.AsFault(tc.err))
		if got.Code != tc.want {
			t.Errorf("%s: %s, want %s", name, got.Code, tc.want)
		}
		if tc.want == fault.Unavailable && got.RetryAfter <= 0 {
			t.Errorf("%s: it does not say when to come back", name)
		}
	}
}
