package bluesky_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/bluesky"
	"github.com/carillonhq/carillon/plugins/bluesky/blueskyfake"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

func TestContract(t *testing.T) {
	t.Run("native key", func(t *testing.T) {
		socialtest.Run(t, func(t *testing.T) socialtest.Harness { return open(t).Harness })
	})
	t.Run("by lookup", func(t *testing.T) {
		socialtest.Run(t, func(t *testing.T) socialtest.Harness {
			b := open(t)
			b.Account.Public["dedup"] = string(social.ByFind)
			return b.Harness
		})
	})
	t.Run("signed in by OAuth", func(t *testing.T) {
		socialtest.Run(t, func(t *testing.T) socialtest.Harness {
			b := open(t)
			b.Call.Credential = b.authorize(t)
			b.Wait = func(d time.Duration) { b.clock.advance(min(d, 4*time.Minute)) } // past a nonce, not past a token
			return b.Harness
		})
	})
}

// bench is a plugin with its server and a signed-in account.
type bench struct {
	socialtest.Harness
	plugin *bluesky.Bluesky
	fake   *blueskyfake.Server
	clock  *clock
	url    string
}

func open(t *testing.T) bench {
	t.Helper()
	now := &clock{now: time.Now()}
	fake := blueskyfake.New(now.Now)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	plugin := bluesky.New(bluesky.Options{Entry: server.URL, AppView: server.URL, PLC: server.URL, HTTP: server.Client(), Now: now.Now})
	b := bench{plugin: plugin, fake: fake, clock: now, url: server.URL}
	call := social.Call{Credential: b.signIn(t)}
	accounts, err := plugin.Accounts(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	b.Harness = socialtest.Harness{
		Platform: plugin, Server: back{fake}, Account: accounts[0], Call: call, Image: picture(t),
		TooLong: strings.Repeat("👩‍🚀", 301), Wait: func(d time.Duration) { now.advance(min(d, time.Hour)) },
	}
	return b
}

func (b bench) signIn(t *testing.T) social.Credential {
	t.Helper()
	step, err := b.plugin.Connect(t.Context(), social.ConnectRequest{
		Input: map[string]string{"identifier": "@" + blueskyfake.Handle, "password": blueskyfake.Password},
	})
	if err != nil {
		t.Fatal(err)
	}
	if step.Done == nil {
		t.Fatalf("not signed in: %+v", step)
	}
	return *step.Done
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

type back struct{ *blueskyfake.Server }

func (b back) Trouble(t socialtest.Trouble) { b.Server.Trouble(string(t)) }

func (b back) Objects() []socialtest.Object {
	var list []socialtest.Object
	for _, r := range b.Records() {
		o := socialtest.Object{ID: r.URI, Text: r.Value["text"].(string)}
		if reply, ok := r.Value["reply"].(map[string]any); ok {
			o.ReplyTo = reply["parent"].(map[string]any)["uri"].(string)
			o.Root = reply["root"].(map[string]any)["uri"].(string)
		}
		if embed, ok := r.Value["embed"].(map[string]any); ok {
			for _, one := range embed["images"].([]any) {
				o.Alts = append(o.Alts, one.(map[string]any)["alt"].(string))
			}
		}
		list = append(list, o)
	}
	return list
}

// picture is an attachment served as the host's gateway does.
func picture(t *testing.T) social.Media {
	t.Helper()
	var raw bytes.Buffer
	if err := png.Encode(&raw, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "boats.png", time.Time{}, bytes.NewReader(raw.Bytes()))
	}))
	t.Cleanup(gateway.Close)
	return social.Media{
		ID: "med_1", Kind: social.Image, MIME: "image/png", Bytes: int64(raw.Len()), Width: 40, Height: 30,
		Alt: "Boats & nets", URL: gateway.URL + "/boats.png",
	}
}
