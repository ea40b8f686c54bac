package pigeon_test

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

	"github.com/carillonhq/carillon/plugins/pigeon"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

func TestContract(t *testing.T) {
	t.Run("found by its mark", func(t *testing.T) {
		socialtest.Run(t, func(t *testing.T) socialtest.Harness { return open(t, false) })
	})
	t.Run("by native key", func(t *testing.T) {
		socialtest.Run(t, func(t *testing.T) socialtest.Harness { return open(t, true) })
	})
}

// What the network looks at first says so, and follows what becomes of it.
func TestVisibility(t *testing.T) {
	for text, want := range map[string][2]social.Finding{
		"plain":     {{Verdict: social.Found, Receipt: &social.Receipt{Status: social.Live}}, {Verdict: social.Found, Receipt: &social.Receipt{Status: social.Live}}},
		"#review":   {{Verdict: social.Found, Receipt: &social.Receipt{Status: social.InReview}}, {Verdict: social.Found, Receipt: &social.Receipt{Status: social.Live}}},
		"#takedown": {{Verdict: social.Found, Receipt: &social.Receipt{Status: social.InReview}}, {Verdict: social.Absent}},
	} {
		t.Run(text, func(t *testing.T) {
			h := open(t, false)
			p := h.Platform.(*pigeon.Pigeon)
			if m := p.Manifest(); !m.Can(social.CanStatus) || !m.Can(social.CanFind) {
				t.Fatalf("cannot be asked: %v", m.Capabilities)
			}
			req := social.PublishRequest{Call: h.Call, Account: h.Account, Content: social.Content{Text: text}, Commit: true}
			req.Call.Idempotency = "seg_1"
			step, err := p.Publish(t.Context(), req)
			if err != nil || step.Receipt.Status != want[0].Receipt.Status {
				t.Fatalf("%+v, %v", step.Receipt, err)
			}
			for when, w := range want {
				f, err := p.Find(t.Context(), social.FindRequest{Call: h.Call, Account: h.Account, Ref: &step.Receipt.Ref})
				if err != nil || f.Verdict != w.Verdict || w.Receipt != nil && (f.Receipt.Status != w.Receipt.Status || f.Receipt.Ref.ID != step.Receipt.Ref.ID) {
					t.Errorf("%d: %+v, %v, want %+v", when, f, err, w)
				}
				h.Wait(time.Minute)
			}
		})
	}
}

func open(t *testing.T, nativeKey bool) socialtest.Harness {
	t.Helper()
	now := &clock{now: time.Now()}
	net, err := network.Open(network.Options{
		Processing: 2 * time.Second, IndexLag: 10 * time.Second, NativeKey: nativeKey, AccessLife: 48 * time.Hour, Now: now.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(net)
	t.Cleanup(server.Close)
	t.Cleanup(func() { _ = net.Close() })
	return socialtest.Harness{
		Platform: pigeon.New(pigeon.Options{BaseURL: server.URL, Settle: 15 * time.Second, NativeKey: nativeKey, HTTP: server.Client()}),
		Server:   back{net},
		Account:  social.Account{ID: "acc_harbour", Handle: "@harbour"},
		Call:     social.Call{Credential: signIn(t, net)},
		Image:    picture(t),
		TooLong:  strings.Repeat("e\u0301", network.MaxText+1),
		Wait:     now.advance,
		Renew:    func() social.Credential { return signIn(t, net) },
	}
}

func signIn(t *testing.T, net *network.Network) social.Credential {
	t.Helper()
	tokens, err := net.SignIn("harbour")
	if err != nil {
		t.Fatal(err)
	}
	return social.Credential{AccessToken: tokens.Access, ExpiresAt: tokens.Expires}
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

// back is the network's back door.
type back struct{ *network.Network }

func (b back) Objects() []socialtest.Object {
	var list []socialtest.Object
	for _, p := range b.Network.Objects() {
		o := socialtest.Object{ID: p.ID, ReplyTo: p.ReplyTo, Root: p.Root, Text: p.Text}
		for _, id := range p.Media {
			o.Alts = append(o.Alts, b.Alt(id))
		}
		list = append(list, o)
	}
	return list
}

func (b back) Trouble(trouble socialtest.Trouble) {
	b.Network.Trouble(map[socialtest.Trouble]network.Trouble{
		socialtest.DropReply: network.DropReply, socialtest.FailAfterAccept: network.FailAfterAccept,
		socialtest.Garble: network.Garble, socialtest.Stall: network.Stall, socialtest.ResetBefore: network.Reset,
		socialtest.Limit: network.Limit, socialtest.Expire: network.Expire,
	}[trouble])
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
