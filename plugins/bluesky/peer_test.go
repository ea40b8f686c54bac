//go:build peers

package bluesky_test

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/bluesky"
	"github.com/carillonhq/carillon/plugins/internal/faulty"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

// TestContractAtAPeer runs the contract against a real server, whose address
// is in BLUESKY_PDS. A proxy in front of it makes the trouble.
func TestContractAtAPeer(t *testing.T) {
	pds := os.Getenv("BLUESKY_PDS")
	if pds == "" {
		t.Fatal("set BLUESKY_PDS to the address of a server, such as http://localhost:2583")
	}
	socialtest.Run(t, func(t *testing.T) socialtest.Harness { return atPeer(t, pds) })
}

// peer is one new account on the server, and the proxy before it.
type peer struct {
	t     *testing.T
	pds   string
	did   string
	queue faulty.Queue
	proxy *httputil.ReverseProxy
}

func atPeer(t *testing.T, pds string) socialtest.Harness {
	t.Helper()
	target, err := url.Parse(pds)
	if err != nil {
		t.Fatal(err)
	}
	p := &peer{t: t, pds: pds, proxy: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}}
	front := httptest.NewServer(p)
	t.Cleanup(front.Close)

	handle, password := "t"+strings.ToLower(rand.Text()[:14])+".test", rand.Text()
	p.call("createAccount", map[string]string{"handle": handle, "password": password, "email": handle + "@example.test"}, nil)
	plugin := bluesky.New(bluesky.Options{Entry: pds, AppView: front.URL})
	step, err := plugin.Connect(t.Context(), social.ConnectRequest{Input: map[string]string{"identifier": handle, "password": password}})
	if err != nil {
		t.Fatal(err)
	}
	credential := *step.Done
	credential.Public["pds"], p.did = front.URL, credential.Public["did"]
	return socialtest.Harness{
		Platform: plugin, Server: p, Account: social.Account{ID: p.did}, Call: social.Call{Credential: credential},
		Image: picture(t), TooLong: strings.Repeat("👩‍🚀", 301), Deadline: 2 * time.Second,
	}
}

func (p *peer) Trouble(trouble socialtest.Trouble) { p.queue.Arm(faulty.Trouble(trouble)) }

// ServeHTTP passes requests on, makes trouble of a write, and stands in for the
// app view that a server on its own does not have.
func (p *peer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch {
	case strings.HasSuffix(r.URL.Path, "app.bsky.feed.getPosts"):
		p.getPosts(w, r)
	case strings.HasSuffix(r.URL.Path, "com.atproto.repo.putRecord"):
		p.write(w, r)
	default:
		p.proxy.ServeHTTP(w, r)
	}
}

func (p *peer) write(w http.ResponseWriter, r *http.Request) {
	trouble := p.queue.Take()
	switch trouble {
	case faulty.None:
		p.proxy.ServeHTTP(w, r)
		return
	case faulty.ResetBefore:
		faulty.HangUp(w, true)
		return
	case faulty.Limit:
		http.Error(w, `{"error":"RateLimitExceeded","message":"Rate Limit Exceeded"}`, http.StatusTooManyRequests)
		return
	case faulty.Expire:
		http.Error(w, `{"error":"ExpiredToken","message":"Token has expired"}`, http.StatusBadRequest)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		p.t.Error(err)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	p.proxy.ServeHTTP(httptest.NewRecorder(), r) // it is done, the answer is lost
	faulty.Answer(w, r, trouble)
}

func (p *peer) getPosts(w http.ResponseWriter, r *http.Request) {
	posts := []any{}
	for _, uri := range r.URL.Query()["uris"] {
		for _, o := range p.Objects() {
			if o.ID == uri {
				posts = append(posts, map[string]any{"uri": uri, "likeCount": 1})
			}
		}
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"posts": posts})
}

// Objects reads the repository, oldest first.
func (p *peer) Objects() []socialtest.Object {
	p.t.Helper()
	var list struct {
		Records []struct {
			URI   string `json:"uri"`
			Value struct {
				Text  string `json:"text"`
				Embed struct {
					Images []struct {
						Alt string `json:"alt"`
					} `json:"images"`
				} `json:"embed"`
				Reply struct{ Root, Parent struct{ URI string } } `json:"reply"`
			} `json:"value"`
		} `json:"records"`
	}
	query := url.Values{"repo": {p.did}, "collection": {"app.bsky.feed.post"}, "reverse": {"true"}, "limit": {"100"}}
	res, err := http.Get(p.pds + "/xrpc/com.atproto.repo.listRecords?" + query.Encode())
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		p.t.Fatal(err)
	}
	var objects []socialtest.Object
	for _, r := range list.Records {
		o := socialtest.Object{ID: r.URI, Text: r.Value.Text, ReplyTo: r.Value.Reply.Parent.URI, Root: r.Value.Reply.Root.URI}
		for _, one := range r.Value.Embed.Images {
			o.Alts = append(o.Alts, one.Alt)
		}
		objects = append(objects, o)
	}
	return objects
}

func (p *peer) call(method string, in, out any) {
	p.t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		p.t.Fatal(err)
	}
	res, err := http.Post(p.pds+"/xrpc/com.atproto.server."+method, "application/json", bytes.NewReader(raw))
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		body, _ := io.ReadAll(res.Body)
		p.t.Fatalf("%s: %d %s", method, res.StatusCode, body)
	}
	if out != nil {
		err = json.NewDecoder(res.Body).Decode(out)
	}
	if err != nil {
		p.t.Fatal(err)
	}
}
