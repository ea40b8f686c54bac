package main

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/adapters/totp"
)

// Every kind of secret that there is, real ones, is used for what it is for, and
// then looked for in everything that anybody may read: nowhere.
func TestSecretsAreNowhere(t *testing.T) {
	spans := &receiver{traces: map[string][]string{}}
	otlp := httptest.NewServer(spans)
	t.Cleanup(otlp.Close)
	in := install(t, func(c *config) { c.TraceURL = otlp.URL })
	in.tell(t.Context())
	t.Setenv("DATABASE_URL", in.k.cfg.DatabaseURL)
	t.Setenv("CARILLON_MASTER_KEY", in.masterText())
	t.Setenv("CARILLON_URL", in.k.cfg.URL)
	secrets := in.plant()
	strangers := in.sing()
	if len(secrets)+len(strangers) < 100 {
		t.Errorf("only %d secrets", len(secrets)+len(strangers))
	}
	mine := map[string]string{"Authorization": "Bearer " + in.story.token, "Carillon-Tenant": in.story.events.tenant}
	seen := map[string]string{"the database": in.dump()}
	_, seen["the figures"] = in.send("GET", in.operator+"/metrics", nil, "")
	for _, path := range []string{"/events", "/audit", "/api-keys", "/webhooks", "/channels", "/me", "/me/factors", "/me/sessions", "/plugins"} {
		status, body := in.send("GET", in.k.cfg.URL+"/api/v1"+path, mine, "")
		if status/100 != 2 && status != 403 {
			t.Errorf("%s: %d %s", path, status, body)
		}
		seen[path] = body
	}
	for what, line := range map[string]string{"status": "secrets status", "the plugin's settings": "plugin settings org.carillonhq.pigeon", "doctor": "doctor"} {
		said, err := command(t, line)
		seen[what] = said + fmt.Sprint(err)
	}
	in.stop()
	seen["the log"], seen["the traces"] = in.log.String(), spans.raw.String()
	for where, text := range seen {
		planted := slices.Concat(secrets, strangers)
		if where == "the database" || where == "/webhooks" { // an address is what its owner says it is
			planted = slices.DeleteFunc(planted, func(c string) bool { return strings.Contains(text, "/hook?token="+c) })
		}
		for _, c := range planted {
			if form := foundIn(text, c); form != "" {
				i := strings.Index(text, form)
				t.Errorf("%s has %q: …%s", where, form, text[max(0, i-160):min(len(text), i+len(form)+20)])
			}
		}
	}
	for where, least := range map[string]int{"the database": 20_000, "the log": 10_000, "the traces": 10_000, "the figures": 5_000} {
		if len(seen[where]) < least {
			t.Errorf("%s has %d bytes: there was too little to look at", where, len(seen[where]))
		}
	}
	// The control: whoever leaks one is found out, in whichever form.
	for _, form := range forms(secrets[0]) {
		if foundIn("before "+form+" after", secrets[0]) == "" {
			t.Errorf("%q would pass", form)
		}
	}
}

// forms are the ways in which c may lie about.
func forms(c string) []string {
	all := []string{
		c, url.QueryEscape(c), url.PathEscape(c), hex.EncodeToString([]byte(c)), strings.ToUpper(hex.EncodeToString([]byte(c))),
		base64.StdEncoding.EncodeToString([]byte(c)), base64.URLEncoding.EncodeToString([]byte(c)), base64.RawURLEncoding.EncodeToString([]byte(c)),
	}
	for _, before := range []string{"\"", ":"} { // behind something else, base64 looks different: its middle then
		for n := 1; n < 3; n++ {
			text := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(before, n) + c))
			if len(text) > 24 {
				all = append(all, text[4:len(text)-4])
			}
		}
	}
	quoted, _ := json.Marshal(c)
	return append(all, strings.Trim(string(quoted), `"`))
}

func foundIn(text, c string) string {
	for _, form := range forms(c) {
		if strings.Contains(text, form) {
			return form
		}
	}
	return ""
}

// plant gets one of each kind of secret, uses it where it can be used, and
// returns them all.
func (in *installation) plant() (secrets []string) {
	in.t.Helper()
	api := in.k.cfg.URL + "/api/v1"
	mine := map[string]string{"Authorization": "Bearer " + in.story.token, "Carillon-Tenant": in.story.events.tenant}
	member := func(method, path, body, name string) string {
		in.t.Helper()
		status, answer := in.send(method, api+path, mine, body)
		var fields map[string]any
		if status/100 != 2 || json.Unmarshal([]byte(answer), &fields) != nil {
			in.t.Fatalf("%s %s: %d %s", method, path, status, answer)
		}
		text, _ := fields[name].(string)
		if text == "" {
			in.t.Fatalf("%s %s: no %s in %s", method, path, name, answer)
		}
		secrets = append(secrets, text)
		return answer
	}
	id := func(answer, what string) string {
		var v map[string]struct{ ID string }
		_ = json.Unmarshal([]byte(answer), &v) // other fields are of other types
		return v[what].ID
	}
	key := id(member("POST", "/api-keys", `{"name":"Canary","scopes":["post.read"]}`, "secret"), "key")
	member("POST", "/api-keys/"+key+":rotate", `{"grace_hours":1}`, "secret")
	for _, bearer := range slices.Clone(secrets) {
		in.send("GET", api+"/posts", map[string]string{"Authorization": "Bearer " + bearer}, "")
	}
	hook := id(member("POST", "/webhooks", `{"url":"`+in.k.cfg.URL+`/hook"}`, "secret"), "webhook")
	member("POST", "/webhooks/"+hook+":rotate", "", "secret")
	in.send("POST", api+"/webhooks/"+hook+":test", mine, "")
	member("POST", "/me/totp", "", "secret")
	secrets = append(secrets, in.recoveryCodes(mine, secrets[len(secrets)-1])...)
	member("POST", "/events/ticket", "", "ticket")
	in.send("GET", api+"/events/stream?ticket="+secrets[len(secrets)-1]+"x", nil, "")
	in.send("POST", api+"/auth/password:forgot", nil, `{"email":"`+agencyOwner.Email+`"}`)
	in.send("POST", api+"/invitations", mine, `{"email":"canary@example.com","role":"viewer"}`)

	settings := filepath.Join(in.t.TempDir(), "settings.json")
	must(in.t, os.WriteFile(settings, []byte(`{"client_secret":"cnrysettingsq7w9e1r3t5y7u9i1"}`), 0o600))
	if _, err := command(in.t, "plugin settings org.carillonhq.pigeon "+settings); err == nil {
		secrets = append(secrets, "cnrysettingsq7w9e1r3t5y7u9i1")
	}
	said, err := command(in.t, "operator add canary-operator@example.com")
	must(in.t, err)
	secrets = append(secrets, linkTokens(said)...)
	if added, err := command(in.t, "secrets new"); err == nil {
		_, text, _ := strings.Cut(strings.TrimSpace(added), ":")
		secrets = append(secrets, text)
	}
	return append(append(secrets, in.letters()...), in.real()...)
}

// recoveryCodes confirms an authenticator app, whose secret is also looked for as
// it is kept.
func (in *installation) recoveryCodes(mine map[string]string, typed string) []string {
	in.t.Helper()
	typed = strings.ReplaceAll(typed, " ", "")
	raw, err := base32.StdEncoding.WithPadding(base32.NoPadding).DecodeString(strings.ToUpper(typed))
	must(in.t, err)
	status, answer := in.send("POST", in.k.cfg.URL+"/api/v1/me/totp:confirm", mine, `{"code":"`+totp.New("").Code(raw, time.Now())+`"}`)
	codes := regexp.MustCompile(`"([0-9a-z]{4,8}(-[0-9a-z]{4,8})+)"`).FindAllStringSubmatch(answer, -1)
	if status != 200 || len(codes) == 0 {
		in.t.Fatalf("%d %s", status, answer)
	}
	out := []string{typed, string(raw)}
	for _, c := range codes {
		out = append(out, c[1], strings.ReplaceAll(c[1], "-", ""))
	}
	return out
}

var linkToken = regexp.MustCompile(`#token=([A-Za-z0-9_-]{20,})`)

func linkTokens(text string) (out []string) {
	for _, m := range linkToken.FindAllStringSubmatch(strings.ReplaceAll(strings.ReplaceAll(text, "=\r\n", ""), "=3D", "="), -1) {
		out = append(out, m[1])
	}
	return out
}

// letters are the tokens in what was mailed. They are in the letters alone.
func (in *installation) letters() (out []string) {
	err := filepath.WalkDir(in.d.cfg.Mailbox, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		out = append(out, linkTokens(string(b))...)
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		in.t.Error(err)
	}
	return out
}

// dump is every row of every table as text, bytes in hexadecimal.
func (in *installation) dump() string {
	in.t.Helper()
	ctx := in.t.Context()
	conn, err := pgx.Connect(ctx, in.k.cfg.DatabaseURL)
	must(in.t, err)
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "select oid::regclass::text from pg_class where relkind in ('r', 'p') and relnamespace in ('public'::regnamespace, 'river'::regnamespace)")
	must(in.t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	must(in.t, err)
	var out strings.Builder
	for _, table := range tables {
		var text string
		must(in.t, conn.QueryRow(ctx, "select coalesce(string_agg(t::text, E'\\n'), '') from "+table+" t").Scan(&text))
		fmt.Fprintf(&out, "%s\n%s\n", table, text)
	}
	return out.String()
}
