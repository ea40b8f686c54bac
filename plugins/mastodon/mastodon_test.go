package mastodon_test

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

	"github.com/carillonhq/carillon/plugins/mastodon"
	"github.com/carillonhq/carillon/plugins/mastodon/mastodonfake"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

func TestContract(t *testing.T) {
	servers := map[string]mastodonfake.Options{
		"stock":                {},
		"slow media":           {Polls: 4},
		"ignores the key":      {IgnoreKey: true, Version: "2.7.2 (compatible; Pleroma 2.6.0)", SourceURL: "https://git.pleroma.social/pleroma/pleroma"},
		"ignores, v1, no more": {IgnoreKey: true, Version: "0.17.0", V1Only: true, NoBatch: true, NoSource: true},
		"ignores since_id too": {IgnoreKey: true, Version: "0.17.0", NoSince: true},
		"ignores and rewrites": {IgnoreKey: true, Version: "4.5.0+gotosocial-0.20.0", Markdown: true, SourceURL: "https://codeberg.org/superseriousbusiness/gotosocial"},
	}
	for name, opt := range servers {
		t.Run(name, func(t *testing.T) {
			socialtest.Run(t, func(t *testing.T) socialtest.Harness { return open(t, opt) })
		})
	}
}

func open(t *testing.T, opt mastodonfake.Options) socialtest.Harness {
	t.Helper()
	now := &clock{now: time.Now()}
	opt.Now = now.Now
	fake := mastodonfake.New(opt)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	plugin := mastodon.New(mastodon.Options{HTTP: server.Client()})
	call := social.Call{Credential: social.Credential{
		AccessToken: fake.Token, Public: map[string]string{"instance": strings.TrimPrefix(server.URL, "http://")},
	}}
	accounts, err := plugin.Accounts(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	return socialtest.Harness{
		Platform: plugin, Server: back{fake}, Account: accounts[0], Call: call, Image: picture(t),
		TooLong: strings.Repeat("é", 501), Wait: now.advance,
	}
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

type back struct{ *mastodonfake.Server }

func (b back) Trouble(t socialtest.Trouble) { b.Server.Trouble(string(t)) }

func (b back) Objects() []socialtest.Object {
	var list []socialtest.Object
	for _, s := range b.Statuses() {
		o := socialtest.Object{ID: s.ID, ReplyTo: s.InReplyTo, Text: s.Text}
		for _, id := range s.Media {
			o.Alts = append(o.Alts, b.Alt(id))
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
