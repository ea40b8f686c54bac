package main

import (
	"encoding/base64"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/vault"
)

// A new installation gets its first operator from a shell beside the database,
// with nothing but that: no mail, no files, no server.
func TestOperators(t *testing.T) {
	url := postgrestest.Of(t, postgrestest.Isolated(t))
	owner, err := pgx.Connect(t.Context(), url.Admin)
	must(t, err)
	defer func() { _ = owner.Close(t.Context()) }()
	_, err = owner.Exec(t.Context(), "truncate tenants cascade") // as it is after migrate
	must(t, err)
	t.Setenv("DATABASE_APP_URL", url.App)
	t.Setenv("DATABASE_SYSTEM_URL", url.System)
	t.Setenv("CARILLON_URL", "https://social.example.com")
	t.Setenv("CARILLON_BLOB_URL", "nosuch://place")
	t.Setenv("CARILLON_MASTER_KEY", base64.StdEncoding.EncodeToString(make([]byte, vault.KeySize)))

	const link = "https://social.example.com/reset-password#token=crs_"
	for _, tc := range []struct{ args, says, not, fails string }{
		{args: "operator list", fails: "no operator yet"},
		{args: "plugin list", fails: "no operator yet; run: carillon operator add"},
		{args: "operator remove ann@example.com", fails: "no operator yet"},
		{args: "operator add", fails: "accepts 1 arg"},
		{args: "operator add nonsense", fails: "address"},
		{args: "operator add ann@example.com --name " + strings.Repeat("x", 200), fails: "At most 100"},
		{args: "operator add ann@example.com --link --mail", fails: "none of the others"},
		{args: "operator list", fails: "no operator yet"}, // nothing of that did anything
		{args: "operator add Ann@Example.com", says: link},
		{args: "operator list", says: "ann@example.com"},
		{args: "operator add ann@example.com", says: "is an operator", not: "token"},
		{args: "operator add ann@example.com --link", says: link},
		{args: "operator remove ann@example.com", fails: "needs an owner"},
		{args: "operator add bob@example.com --name Bob --mail", says: "will be mailed", not: "token"},
		{args: "operator list", says: "bob@example.com"},
		{args: "operator remove nobody@example.com", fails: "Nobody has this address"},
		{args: "operator remove ann@example.com", says: "no operator any more"},
		{args: "operator list", says: "bob@example.com", not: "ann"},
		{args: "operator remove ann@example.com", fails: "member"},
		{args: "operator remove bob@example.com", fails: "needs an owner"},
		{args: "operator add ann@example.com", says: "/operator-password#token=col_", not: "crs_"},
		{args: "operator list", says: "not enrolled"},
		{args: "operator link ann@example.com", says: "/operator-password#token=col_"},
		{args: "operator reset-factor ann@example.com", says: "done"},
		{args: "operator reset-factor carl@example.com", fails: "no such operator"},
		{args: "operator code ann@example.com", fails: "reset-factor"},
		{args: "operator users ann@", says: "ann@example.com"},
		{args: "operator tenants installation", says: "ten_"},
		{args: "operator suspend ten_01jd0000000000000000000000 --reason smoke", fails: "no such tenant"},
		{args: "operator block 192.0.2.0/24 --reason smoke", says: "192.0.2.0/24 is blocked"},
		{args: "operator unblock 192.0.2.0/24", says: "done"},
		{args: "operator block 0.0.0.0/0 --reason smoke", fails: "too much of the internet"},
		{args: "operator flag calendar.next on", says: "done"},
		{args: "operator flag calendar.next maybe", fails: "on, off or default"},
		{args: "operator maintenance on --hold", says: "done"},
		{args: "operator maintenance off", says: "done"},
		{args: "audit heads", says: ""},
		{args: "audit verify", says: "0 findings"},
		{args: "audit verify --heads /nonexistent", fails: "no such file"},
	} {
		said, err := command(t, tc.args)
		if tc.fails != "" {
			if err == nil || !strings.Contains(err.Error(), tc.fails) {
				t.Errorf("%s: %v, want %q", tc.args, err, tc.fails)
			}
			continue
		}
		if err != nil || !strings.Contains(said, tc.says) || tc.not != "" && strings.Contains(said, tc.not) {
			t.Errorf("%s: %v\n%s", tc.args, err, said)
		}
	}

	t.Setenv("DATABASE_URL", url.Admin)
	t.Setenv("CARILLON_MASTER_KEY", "")
	for _, line := range []string{"audit heads", "audit verify", "operator list", "plugin list", "secrets status"} {
		if said, err := command(t, line); err == nil || !strings.Contains(err.Error(), "CARILLON_MASTER_KEY is not set") {
			t.Errorf("%s without a master key: %v\n%s", line, err, said)
		}
	}
}
