package postgres

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/fault"
)

// A problem is what a person is told when a constraint stops them.
type problem struct {
	code    fault.Code
	reason  string
	message string
	field   string // JSON Pointer, if one input is at fault
}

// constraints names the faults behind the constraints that a person can hit. A
// violation that is not here is a bug and reads as fault.Internal; one of a
// foreign key is a race with whoever took away what a row refers to.
var constraints = map[string]problem{
	// Tenancy.
	"memberships_pkey":  {fault.Conflict, "member.exists", "This person is a member already.", "/email"},
	"roles_pkey":        {fault.Conflict, "role.exists", "There is a role of this name already.", "/name"},
	"roles_name":        {fault.Invalid, "role.name", "Use 1 to 40 lower-case letters, digits and dashes, and begin with a letter.", "/name"},
	"invitations_open":  {fault.Conflict, "invitation.exists", "This address is invited already. Send the letter again, or revoke it first.", "/email"},
	"served_hosts_pkey": {fault.Conflict, "domain.held", "Another tenant here has proved that this host is its own. That proof is looked for every day; try again when it is gone.", ""},
	"exports_running":   {fault.Conflict, "export.running", "An export of this tenant is being made already.", ""},
	"erasures_open":     {fault.Conflict, "erasure.asked", "This tenant is to be erased already.", ""},
	"tenants_name":      {fault.Invalid, "tenant.name", "A name has 1 to 120 characters.", "/name"},

	// Identity.
	"users_email":         {fault.Conflict, "email.taken", "This address has an account.", "/email"},
	"passkeys_credential": {fault.Conflict, "passkey.taken", "This passkey is known already.", "/passkey"},
	"externals_account":   {fault.Conflict, "identity.taken", "This account is linked already.", ""},

	// The operators' realm.
	"address_blocks_range_key":       {fault.Conflict, "block.exists", "This range is blocked already.", "/range"},
	"impersonations_session_id_fkey": {fault.Unauthenticated, "operator.required", "Please sign in as an operator.", ""}, // signed out meanwhile
	"feature_overrides_flag_fkey":    {fault.NotFound, "flag.not_found", "There is no such flag.", ""},

	// Events and webhooks.

	// Channels and their secrets.
	"channels_pkey":            {fault.Conflict, "channel.stale", "Someone else changed this in the meantime.", ""},
	"channels_account":         {fault.Conflict, "channel.stale", "Someone else connected this account in the meantime.", ""},
	"channel_connections_pkey": {fault.Conflict, "connection.stale", "Someone else changed this in the meantime.", ""},
	"channel_apps_pkey":        {fault.Conflict, "app.stale", "Someone else changed this in the meantime.", ""},
	"channel_grants_sealed":    {fault.Internal, "channel.no_secret", "Something went wrong on our side.", ""},
	"tenant_keys_destroyed":    {fault.NotFound, "vault.destroyed", "What was kept here has been erased.", ""},
	"tenant_keys_retired":      {fault.Conflict, "vault.retired", "This master key has been retired.", ""},
	"tenant_keys_pkey":         {fault.Conflict, "vault.stale", "Someone else made this key in the meantime.", ""},

	// Media.

	// Publishing.
	"attempts_one_open": {fault.Conflict, "attempt.open", "Another attempt is open.", ""},
	"attempts_pkey":     {fault.Conflict, "attempt.open", "Another attempt is open.", ""},
	"segments_ref":      {fault.Conflict, publishing.TakenReason, "What the platform named stands for another post.", ""},

	// Idempotency and jobs.
}

// asFault gives a driver's error its meaning. Faults pass through untouched;
// what is unknown stays as it is and reads as fault.Internal.
func asFault(err error) error {
	var known *fault.Error
	var pg *pgconn.PgError
	switch {
	case err == nil, errors.As(err, &known):
		return err
	case errors.Is(err, sql.ErrNoRows): // pgx.ErrNoRows is one, too
		return fault.New(fault.NotFound, "not_found", "There is no such thing.").Because(err)
	case errors.As(err, &pg):
		return serverFault(pg, err)
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fault.Of(err)
	case unreachable(err):
		return unavailable(err)
	}
	return err
}

func serverFault(pg *pgconn.PgError, err error) error {
	if p, ok := constraints[pg.ConstraintName]; ok {
		return fault.New(p.code, p.reason, "%s", p.message).On(p.field).Because(err)
	}
	switch pg.Code {
	case "40001", "40P01", "55P03", // serialization failure, deadlock, lock timeout
		"23503": // what it refers to was there when it was looked for
		return fault.New(fault.Conflict, "request.busy", "Someone else was faster. Try again.").Because(err)
	case "57014": // statement timeout; our own cancellations
		return fault.New(fault.Canceled, "request.canceled", "The request did not finish in time.").Because(err)
	}
	switch pg.Code[:min(2, len(pg.Code))] {
	case "08", "53", "57": // connection, resources, operator intervention
		return unavailable(err)
	}
	return err
}

// back is how long a database that went away is given before it is asked again.
const back = 2 * time.Second

func unavailable(err error) error {
	return fault.New(fault.Unavailable, "database.unavailable", "We cannot reach our records right now. Try again in a moment.").After(back).Because(err)
}

// unreachable reports whether the server was not there or went away.
func unreachable(err error) bool {
	var connect *pgconn.ConnectError
	var network net.Error
	return errors.As(err, &connect) || errors.As(err, &network) ||
		errors.Is(err, driver.ErrBadConn) || errors.Is(err, net.ErrClosed) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, sql.ErrConnDone) || strings.Contains(err.Error(), "conn closed") || strings.Contains(err.Error(), "unexpected EOF") // pgx has no values for them
}
