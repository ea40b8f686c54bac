package sdk_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// outcome is a case of testdata/commits.json, which the SDKs in other
// languages are tested with, too.
type outcome struct {
	Name string `json:"name"`
	At   string `json:"at"`
	Read bool   `json:"read"`
	Send string `json:"send"`
	Fill int    `json:"fill"`
	End  string `json:"end"`
	Want struct {
		ID           string            `json:"id"`
		Kind         social.Kind       `json:"kind"`
		Key          string            `json:"key"`
		Source       social.Source     `json:"source"`
		HTTPStatus   int               `json:"http_status"`
		RetryAfterMS *int64            `json:"retry_after_ms"`
		Scope        social.QuotaScope `json:"scope"`
	} `json:"want"`
}

func TestOutcomesOfACommit(t *testing.T) {
	raw, err := os.ReadFile("testdata/commits.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Commits []outcome
		Sayings map[social.Kind]string
	}
	if err := json.Unmarshal(raw, &table); err != nil || len(table.Commits) < 40 {
		t.Fatalf("%d cases, %v", len(table.Commits), err)
	}
	for _, c := range table.Commits {
		t.Run(c.Name, func(t *testing.T) {
			var lines atomic.Int32
			id, err := publishOnce(t, c, c.address(t, &lines))
			c.check(t, id, err)
			if f := social.FaultOf(err, true); err != nil && f.Key == "test.refused" && (f.Message == "" || f.Message != table.Sayings[f.Kind]) {
				t.Errorf("it says %q", f.Message)
			}
			if n := lines.Load(); n > 1 {
				t.Errorf("%d connections", n)
			}
		})
	}
}

func (c outcome) check(t *testing.T, id string, err error) {
	t.Helper()
	if c.Want.Kind == "" {
		if err != nil || id != c.Want.ID {
			t.Errorf("%q, %v, want %q", id, err, c.Want.ID)
		}
		return
	}
	f := social.FaultOf(err, true)
	if err == nil || f.Kind != c.Want.Kind || f.Key != c.Want.Key || f.Source != c.Want.Source || f.HTTPStatus != c.Want.HTTPStatus || f.Scope != c.Want.Scope {
		t.Errorf("%q, %+v, want %+v", id, f, c.Want)
	}
	if ms := c.Want.RetryAfterMS; ms != nil && f.RetryAfter.Milliseconds() != *ms {
		t.Errorf("retry after %s, want %d ms", f.RetryAfter, *ms)
	}
}

// publishOnce is the commit step of a plugin.
func publishOnce(t *testing.T, c outcome, url string) (string, error) {
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if c.At == "over" {
		cancel()
	}
	res, err := sdk.Commit(ctx, sdk.HTTPClient(), post(t, url))
	if err != nil {
		return "", err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode >= 300 {
		return "", sdk.Refusal(res, true, "test.refused")
	}
	var made struct{ ID string }
	err = json.NewDecoder(res.Body).Decode(&made)
	return made.ID, err
}

// address is where the request is sent.
func (c outcome) address(t *testing.T, lines *atomic.Int32) string {
	t.Helper()
	at := raw(t, func(conn net.Conn) {
		lines.Add(1)
		c.serve(conn)
	})
	switch c.At {
	case "closed port":
		closed := httptest.NewServer(nil)
		closed.Close()
		return closed.URL
	case "no such host":
		return "http://host.invalid:1"
	case "untrusted":
		secure := httptest.NewUnstartedServer(http.NotFoundHandler())
		secure.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
		secure.StartTLS()
		t.Cleanup(secure.Close)
		return secure.URL
	case "proxy":
		t.Setenv("HTTPS_PROXY", at)
		return "http://platform.example/post"
	case "tunnel":
		t.Setenv("HTTPS_PROXY", at)
		return "https://platform.example/post"
	}
	return at
}

func (c outcome) serve(conn net.Conn) {
	if c.Read {
		read(conn)
	}
	_, _ = io.WriteString(conn, c.Send)
	_, _ = io.WriteString(conn, strings.Repeat("x", c.Fill))
	switch c.End {
	case "stall":
		_, _ = io.Copy(io.Discard, conn) // until the other side has had enough
	case "reset":
		_ = conn.(*net.TCPConn).SetLinger(0)
	}
	_ = conn.Close()
}
