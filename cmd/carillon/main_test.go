package main

import (
	"errors"
	"fmt"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
)

// What is not there is said without how the database says it; what is broken
// keeps its cause.
func TestPlainly(t *testing.T) {
	cause := errors.New("sql: no rows in result set")
	for name, tc := range map[string]struct {
		err  error
		want string
	}{
		"not there":   {fault.New(fault.NotFound, "plugin.not_found", "There is no such plugin.").Because(cause), "plugin.not_found: There is no such plugin."},
		"with a word": {fmt.Errorf("lock: %w", fault.New(fault.NotFound, "plugin.not_found", "No.").Because(fmt.Errorf("row: %w", cause))), "lock: plugin.not_found: No."},
		"away":        {fault.New(fault.Unavailable, "database.unavailable", "Away.").Because(cause), "database.unavailable: Away.: sql: no rows in result set"},
		"a stranger":  {cause, "sql: no rows in result set"},
	} {
		if got := plainly(tc.err); got != tc.want {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
	}
}
