package logging_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/logging"
	"github.com/carillonhq/carillon/ports/secret"
)

const canary = "C4n4ry-deadbeef-0123456789"

func TestSecretsAreHidden(t *testing.T) {
	type login struct {
		Email    string
		Password string
		Token    secret.Secret
	}
	for name, log := range map[string]func(*slog.Logger){
		"a secret by its type": func(l *slog.Logger) { l.Info("m", "mail", secret.Secret(canary)) },
		"by its field":         func(l *slog.Logger) { l.Info("m", "password", canary) },
		"by a longer name":     func(l *slog.Logger) { l.Info("m", "Old-Refresh-Token", canary) },
		"in a group":           func(l *slog.Logger) { l.WithGroup("req").Info("m", "Set-Cookie", "sid="+canary) },
		"with":                 func(l *slog.Logger) { l.With("app_password", canary).Info("m") },
		"an OAuth code":        func(l *slog.Logger) { l.Info("m", "code", canary) },
		"in a struct":          func(l *slog.Logger) { l.Info("m", "in", login{"a@b.c", canary, canary}) },
		"in a map":             func(l *slog.Logger) { l.Info("m", "in", map[string]any{"client_secret": canary}) },
		"in headers":           func(l *slog.Logger) { l.Info("m", "h", http.Header{"Authorization": {canary}}) },
		"a struct as text":     func(l *slog.Logger) { l.Info(fmt.Sprintf("got %+v", login{"a@b.c", canary, canary})) },
		"JSON as text":         func(l *slog.Logger) { l.Info("m", "body", `{"access_token": "`+canary+`", "x": 1}`) },
		"a bearer in an error": func(l *slog.Logger) { l.Info("m", "err", errors.New("bad header: Bearer "+canary)) },
		"an API key":           func(l *slog.Logger) { l.Info("no key car_live_0123456789_" + canary) },
		"a webhook secret":     func(l *slog.Logger) { l.Info("m", "x", "whsec_"+canary) },
		"a JWT":                func(l *slog.Logger) { l.Info("m", "x", "eyJhbGciOiJIUzI1NiJ9."+canary+".sig") },
		"a database's address": func(l *slog.Logger) { l.Info("cannot dial postgres://carillon:" + canary + "@db/x") },
		"a URL's query": func(l *slog.Logger) {
			l.Info("m", "err", &url.Error{Op: "Get", URL: "https://x/y?a=1&code=" + canary + "&state=" + canary, Err: errors.New("reset")})
		},
		"a form": func(l *slog.Logger) { l.Info("m", "body", "grant_type=code&refresh_token="+canary) },
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			log(logging.New(&out, slog.LevelDebug))
			if strings.Contains(out.String(), canary) || strings.Contains(out.String(), "deadbeef") || !strings.Contains(out.String(), "***") {
				t.Errorf("written: %s", out.String())
			}
			if !json.Valid(out.Bytes()) {
				t.Errorf("no longer JSON: %s", out.String())
			}
		})
	}
}

func TestOrdinaryLinesStayAsTheyAre(t *testing.T) {
	for _, line := range []string{
		"segment left to its lease", "publishing post_01jd at 09:00", "state of the channel: connected",
		"the state=preparing came back", // unfortunate, and harmless: see below
		"https://example.com/a?page=2", "mail to a@example.com", "3 tokens left", "the basic idea",
	} {
		var out bytes.Buffer
		logging.New(&out, slog.LevelDebug).Info(line, "route", "/api/v1/posts/{post}", "status", 200, "key_id", "key_1", "took", "3ms")
		var got map[string]any
		if err := json.Unmarshal(out.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if want := strings.Replace(line, "state=preparing", "state=***", 1); got["msg"] != want || got["route"] != "/api/v1/posts/{post}" || got["key_id"] != "key_1" {
			t.Errorf("%q became %s", line, out.String())
		}
	}
}

type nameKey struct{}

func TestALineSaysWhereItBelongs(t *testing.T) {
	var out bytes.Buffer
	l := logging.New(&out, slog.LevelInfo, func(ctx context.Context) []slog.Attr {
		if name, ok := ctx.Value(nameKey{}).(string); ok {
			return []slog.Attr{slog.String("tenant", name)}
		}
		return nil
	})
	l.Info("nowhere")
	l.With("a", 1).InfoContext(context.WithValue(t.Context(), nameKey{}, "ten_1"), "there")
	l.Debug("not written")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 || strings.Contains(lines[0], "tenant") || !strings.Contains(lines[1], `"tenant":"ten_1"`) {
		t.Errorf("written: %s", out.String())
	}
}

// Whatever an attacker gets into a log line stays one line of JSON.
func FuzzMask(f *testing.F) {
	for _, s := range []string{"Bearer abcdefghijkl", `{"token":"x\"y"}`, "a\nb", `password="\\"`, "token: [\"abcdef", "://u:p@h", "\xff\x00"} {
		f.Add(s, "password="+s)
	}
	f.Fuzz(func(t *testing.T, msg, value string) {
		var out bytes.Buffer
		logging.New(&out, slog.LevelInfo).Info(msg, "v", value, "in", map[string]string{value: msg})
		if !json.Valid(out.Bytes()) || bytes.Count(out.Bytes(), []byte("\n")) != 1 {
			t.Errorf("written: %q", out.String())
		}
	})
}

func BenchmarkLine(b *testing.B) {
	l := logging.New(discard{}, slog.LevelInfo)
	b.ReportAllocs()
	for b.Loop() {
		l.Info("answered", "method", "GET", "route", "/api/v1/posts/{post}", "status", 200, "took", "3.1ms", "tenant", "ten_01jd0000000000000000000000")
	}
}

type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }

// What a line says itself, its context does not say again.
func TestALineSaysAThingOnce(t *testing.T) {
	var out bytes.Buffer
	log := logging.New(&out, slog.LevelInfo, func(context.Context) []slog.Attr {
		return []slog.Attr{slog.String("request_id", "req_context"), slog.String("tenant", "ten_1")}
	})
	log.Info("m", "request_id", "req_line")
	if got := out.String(); strings.Contains(got, "req_context") || !strings.Contains(got, "req_line") || !strings.Contains(got, "ten_1") {
		t.Error(got)
	}
}
