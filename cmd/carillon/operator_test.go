package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/vault"
)

// On a bad day an operator has the database and little else. What they run then
// asks for nothing more, and looking changes nothing.
func TestCommandsOfABadDay(t *testing.T) {
	url := postgrestest.Of(t, postgrestest.Isolated(t)) // nobody works on it, who would look too
	db, err := pgx.Connect(t.Context(), url.Admin)
	must(t, err)
	defer func() { _ = db.Close(t.Context()) }()
	_, err = db.Exec(t.Context(), "insert into database_identity (identifier, timeline) values ('another', 1)")
	must(t, err)
	t.Setenv("DATABASE_APP_URL", url.App)
	t.Setenv("DATABASE_SYSTEM_URL", url.System)
	t.Setenv("CARILLON_MASTER_KEY", base64.StdEncoding.EncodeToString(make([]byte, 32)))
	t.Setenv("CARILLON_BLOB_URL", "nosuch://place")

	paused := "select count(*) from tenants where paused and parent_id is null"
	for _, tc := range []struct {
		args, says string
		paused     int
	}{
		{"pause --reason smoke", "done", 1},
		{"pause --resume", "done", 0},
		{"pause --platform org.joinmastodon --reason smoke", "done", 0},
		{"pause --platform org.joinmastodon --resume", "done", 0},
		{"pause --platform org.nope --reason smoke --force", "done", 0},
		{"pause --platform org.nope --resume", "done", 0},
		{"citus", "create_distributed_table", 0},
		{"pause --restored", "done", 1},
		{"pause --resume", "done", 0},
	} {
		if said, err := command(t, tc.args); err != nil || !strings.Contains(said, tc.says) {
			t.Errorf("%s: %q, %v", tc.args, said, err)
		}
		var n int
		must(t, db.QueryRow(t.Context(), paused).Scan(&n))
		if n != tc.paused {
			t.Errorf("%s: %d operators paused, want %d", tc.args, n, tc.paused)
		}
	}

	// A typo would hold nothing back.
	_, err = command(t, "pause --platform org.nope --reason smoke")
	if err == nil || !strings.Contains(err.Error(), "org.joinmastodon") || !strings.Contains(err.Error(), "app.bsky") {
		t.Errorf("an unknown platform: %v", err)
	}
	var n int
	must(t, db.QueryRow(t.Context(), "select count(*) from platform_pauses").Scan(&n))
	if n != 0 {
		t.Errorf("%d platforms are paused", n)
	}

	t.Setenv("CARILLON_BLOB_URL", "file://"+t.TempDir())
	// No mail is one finding; the rest is looked at nevertheless.
	if said, err := command(t, "doctor"); !errors.Is(err, errUnwell) || !strings.Contains(said, "CARILLON_MAIL_URL") || strings.Contains(said, "skipped") {
		t.Errorf("doctor without mail: %v\n%s", err, said)
	}
	t.Setenv("CARILLON_MAILBOX", t.TempDir())
	// Nobody publishes, and nobody may: this is not the server that was served
	// from last. Nothing else is wrong.
	said, err := command(t, "doctor")
	if !errors.Is(err, errUnwell) || strings.Count(said, "WRONG") != 2 || !strings.Contains(said, "nobody publishes") ||
		!strings.Contains(said, "not the database that was served from") || !strings.Contains(said, "every part opens") {
		t.Errorf("doctor: %v\n%s", err, said)
	}
	var last string
	must(t, db.QueryRow(t.Context(), "select identifier from database_identity").Scan(&last))
	if last != "another" {
		t.Error("a command that only looks took the copy for its own")
	}
}

func command(t *testing.T, line string) (string, error) {
	t.Helper()
	var out bytes.Buffer
	c := root()
	c.SetArgs(strings.Fields(line))
	c.SetOut(&out)
	err := c.ExecuteContext(t.Context())
	return out.String(), err
}

// A process that was killed leaves its sockets; the next one of the
// installation clears them away, which takes a place that both know.
func TestSocketsOfAKilledProcessAreSwept(t *testing.T) {
	state, err := os.MkdirTemp("", "s") // t.TempDir is too long for sockets
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(state) })
	left := filepath.Join(socketDir(state), "h-killed")
	must(t, os.MkdirAll(left, 0o700))
	must(t, os.WriteFile(filepath.Join(left, "plugin.sock"), nil, 0o600))

	k := &kernel{
		cfg: config{StateDir: state, GatewayAddr: "127.0.0.1:0", Mailbox: filepath.Join(state, "mail")},
		log: slog.New(slog.DiscardHandler), vault: vault.Single(make([]byte, vault.KeySize)),
	}
	t.Cleanup(k.close)
	must(t, k.openOutside(t.Context()))
	must(t, k.openPlugins(t.Context()))
	if _, err := os.Stat(left); !os.IsNotExist(err) {
		t.Errorf("still there: %v", err)
	}
}

func TestSocketDirIsShortAndAlwaysTheSame(t *testing.T) {
	for _, state := range []string{"/var/lib/carillon", os.TempDir(), "/" + strings.Repeat("long/", 30)} {
		dir := socketDir(state)
		if len(dir) > 50 || dir != socketDir(state) {
			t.Errorf("%s: %s, then %s", state, dir, socketDir(state))
		}
	}
}

// A key that serves two purposes lets what was made for one pass at the other.
func TestEachKeyIsUsedInOnePlace(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	used := map[string]string{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		source, err := os.ReadFile(file)
		must(t, err)
		for _, m := range regexp.MustCompile(`[.]Key\(vault\.(\w+)\)`).FindAllSubmatch(source, -1) {
			if first, ok := used[string(m[1])]; ok {
				t.Errorf("%s: vault.%s, which %s uses", file, m[1], first)
			}
			used[string(m[1])] = file
		}
	}
	if used["Database"] == "" || used["DataKeys"] != "" { // those are the ring's own
		t.Errorf("found %v", used)
	}
}

// The surface answers every operation only if somebody stands behind each.
func TestEveryServiceIsWired(t *testing.T) {
	in := install(t, func(*config) {})
	server := reflect.ValueOf(in.k.server(nil)).Elem()
	for i := range server.NumField() {
		if f := server.Type().Field(i); f.IsExported() && server.Field(i).IsNil() {
			t.Errorf("nobody stands behind %s", f.Name)
		}
	}
}
