package examples_test

import (
	"bytes"
	"image"
	"image/png"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/examples/chirpfake"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// chirp is a fresh platform with its one account.
func chirp(t *testing.T) socialtest.Harness {
	t.Helper()
	now := &clock{now: time.Now()}
	users := map[string]string{}
	for user, token := range tokens {
		users[token] = user
	}
	fake := &server{Server: chirpfake.New(users, chirpfake.Options{Now: now.Now, Lag: 2 * time.Second})}
	web := httptest.NewServer(fake)
	t.Cleanup(web.Close)
	return socialtest.Harness{
		Server: fake, Account: social.Account{ID: "u-ann", Handle: "ann"},
		Call:  social.Call{Credential: social.Credential{AccessToken: tokens["ann"], Public: map[string]string{"instance": strings.TrimPrefix(web.URL, "http://")}}},
		Image: picture(t), TooLong: strings.Repeat("é", chirpfake.MaxText+1), Wait: now.advance, Deadline: time.Second,
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

// harness is what the tests of this package share with the contract.
type harness = socialtest.Harness

// server is Chirp with a back door and a gate.
type server struct {
	*chirpfake.Server
	gate *gate
}

// A gate holds the next request until it is opened, or the caller has left.
type gate struct{ reached, open, left chan struct{} }

func (s *server) slow() *gate {
	s.gate = &gate{make(chan struct{}), make(chan struct{}), make(chan struct{})}
	return s.gate
}

// ServeHTTP implements http.Handler.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if g := s.gate; g != nil {
		body, _ := io.ReadAll(r.Body) // only then is it seen that the caller leaves
		r.Body = io.NopCloser(bytes.NewReader(body))
		close(g.reached)
		select {
		case <-g.open:
		case <-r.Context().Done():
			close(g.left)
		}
	}
	s.Server.ServeHTTP(w, r)
}

// Trouble implements socialtest.Server.
func (s *server) Trouble(t socialtest.Trouble) { s.Server.Trouble(string(t)) }

// Objects implements socialtest.Server.
func (s *server) Objects() []socialtest.Object {
	var list []socialtest.Object
	for _, p := range s.Posts() {
		o := socialtest.Object{ID: p.ID, ReplyTo: p.ReplyTo, Text: p.Text}
		for _, id := range p.Media {
			o.Alts = append(o.Alts, s.Alt(id))
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
