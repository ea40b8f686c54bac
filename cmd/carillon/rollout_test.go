package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/cmd/internal/proc"
)

// Two real processes with different current keys, as during a change of the
// master key: each understands what the other made, also once the logins'
// passwords are changed and everything is sealed anew beneath them.
func TestTwoProcessesWithDifferentKeys(t *testing.T) {
	in := install(t, func(*config) {})
	in.story.out = &strings.Builder{}
	must(t, in.story.signIn(t.Context()))
	first := in.masterText()
	one, two := "1:"+first+" 2:"+encoded(9), "2:"+encoded(9)+" 1:"+first
	before := in.another("before", one)
	t.Setenv("DATABASE_URL", in.k.cfg.DatabaseURL)
	t.Setenv("CARILLON_MASTER_KEY", two)
	if said, err := command(t, "migrate"); err != nil {
		t.Fatal(said, err)
	}
	after, late := in.another("after", two), in.another("late", one) // which is refused with its own password
	said, err := command(t, "secrets rotate --data-keys")
	if err != nil {
		t.Fatal(said, err)
	}
	for _, pair := range [][2]server{{before, after}, {after, before}, {late, after}, {after, late}} {
		made, reads := pair[0], pair[1]
		token := made.logIn()
		if status, body := reads.as(token, "GET", "/me", ""); status != 200 {
			t.Errorf("a token of %s at %s: %d %s", made.name, reads.name, status, body)
		}
		status, body := made.as(token, "GET", "/audit?limit=1", "")
		var page struct {
			NextCursor string `json:"next_cursor"`
		}
		if err := json.Unmarshal([]byte(body), &page); err != nil || page.NextCursor == "" {
			t.Fatalf("%d %s", status, body)
		}
		if status, body := reads.as(token, "GET", "/audit?limit=1&cursor="+page.NextCursor, ""); status != 200 {
			t.Errorf("a cursor of %s at %s: %d %s", made.name, reads.name, status, body)
		}
		var hook struct{ Webhook struct{ ID string } }
		_, body = made.as(token, "POST", "/webhooks", `{"url":"`+in.k.cfg.URL+`/hook"}`)
		if err := json.Unmarshal([]byte(body), &hook); err != nil || hook.Webhook.ID == "" {
			t.Fatal(body)
		}
		if status, body := reads.as(token, "POST", "/webhooks/"+hook.Webhook.ID+":rotate", ""); status != 200 {
			t.Errorf("what %s sealed, at %s: %d %s", made.name, reads.name, status, body)
		}
	}
	// A process with the old key gave a tenant its first data key since.
	for _, step := range []struct {
		line    string
		refused bool
	}{{"secrets retire master/1", true}, {"secrets rotate", false}, {"secrets retire master/1", false}} {
		if said, err := command(t, step.line); (err != nil) != step.refused {
			t.Errorf("%s: %s, %v", step.line, said, err)
		}
	}
	if status, body := before.as(before.logIn(), "POST", "/webhooks", `{"url":"`+in.k.cfg.URL+`/hook"}`); status != 201 {
		t.Errorf("with the old key retired, tenants that have data keys go on: %d %s", status, body)
	}
}

// A server is a process of its own, on in's database.
type server struct {
	in        *installation
	name, url string
}

func (in *installation) another(name, keys string) server {
	in.t.Helper()
	self, err := os.Executable()
	must(in.t, err)
	s := server{in, name, "http://" + freeAddr(in.t)}
	cmd := exec.Command(self, "serve")
	cmd.Env = append(os.Environ(), "DATABASE_URL="+in.k.cfg.DatabaseURL, "CARILLON_MASTER_KEY="+keys, "CARILLON_ADDR="+strings.TrimPrefix(s.url, "http://"),
		"CARILLON_MAILBOX="+in.d.cfg.Mailbox, "CARILLON_BLOB_URL="+in.d.cfg.BlobURL, "CARILLON_STATE_DIR="+in.dir, "CARILLON_ALLOW_LOOPBACK=1",
		"CARILLON_PIGEON_URL="+in.d.cfg.PigeonURL, "CARILLON_LOG_LEVEL=debug")
	dir := in.t.TempDir()
	p, err := proc.Start(dir, name, cmd)
	must(in.t, err)
	in.t.Cleanup(p.Stop)
	ctx, cancel := context.WithTimeout(in.t.Context(), 2*time.Minute)
	defer cancel()
	if err := p.Ready(ctx, s.url+"/readyz", 50*time.Millisecond); err != nil {
		in.t.Fatal(err, proc.Tails(dir))
	}
	return s
}

func (s server) logIn() string {
	s.in.t.Helper()
	_, body := s.in.send("POST", s.url+"/api/v1/auth/login", nil, `{"email":"`+agencyOwner.Email+`","password":"`+demoPassword+`"}`)
	var in struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal([]byte(body), &in); err != nil || in.Token == "" {
		s.in.t.Fatal(s.name, body)
	}
	return in.Token
}

func (s server) as(token, method, path, body string) (int, string) {
	s.in.t.Helper()
	return s.in.send(method, s.url+"/api/v1"+path, map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": s.in.story.events.tenant}, body)
}
