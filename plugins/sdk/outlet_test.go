package sdk

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/carillonhq/carillon/ports/social"
)

// throughProxy is a proxy that answers everything itself and remembers who
// asked for what.
type throughProxy struct {
	*httptest.Server
	mu   sync.Mutex
	asks map[string]string // path → credentials
}

func newProxy(t *testing.T) *throughProxy {
	t.Helper()
	p := &throughProxy{asks: map[string]string{}}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(r.Header.Get("Proxy-Authorization"), "Basic "))
		p.mu.Lock()
		p.asks[r.URL.Path] = string(who)
		p.mu.Unlock()
	}))
	t.Cleanup(p.Close)
	t.Setenv("HTTPS_PROXY", p.as("plugin:own"))
	return p
}

func (p *throughProxy) as(who string) string {
	return strings.Replace(p.URL, "//", "//"+who+"@", 1)
}

// asked makes a request in the call of ctx.
func asked(ctx context.Context, t *testing.T, client *http.Client, method, path string) {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, "http://perch.example"+path, nil)
	if err != nil {
		t.Error(err)
		return
	}
	send := client.Do
	if method == http.MethodPost {
		send = func(r *http.Request) (*http.Response, error) { return Commit(ctx, client, r) }
	}
	res, err := send(req)
	if err != nil {
		t.Error(err)
		return
	}
	_, _ = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
}

// Calls that run at once each say who they are, in reads and in the commit, and
// what is done in no call says that it is the plugin's.
func TestARequestSaysWhichCallItIsOf(t *testing.T) {
	p, client := newProxy(t), HTTPClient()
	var calls sync.WaitGroup
	for _, name := range []string{"a", "b", "c"} {
		calls.Go(func() {
			in := metadata.NewIncomingContext(t.Context(), metadata.Pairs(ProxyKey, p.as("plugin:"+name)))
			_, err := led(in, nil, nil, func(ctx context.Context, _ any) (any, error) {
				for _, path := range []string{"/1", "/2"} {
					asked(ctx, t, client, http.MethodGet, "/"+name+path)
				}
				asked(committing(ctx), t, client, http.MethodPost, "/"+name+"/commit")
				return nil, nil
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	calls.Wait()
	asked(t.Context(), t, client, http.MethodGet, "/none")
	want := map[string]string{"/none": "plugin:own"}
	for _, name := range []string{"a", "b", "c"} {
		for _, path := range []string{"/1", "/2", "/commit"} {
			want["/"+name+path] = "plugin:" + name
		}
	}
	for path, who := range want {
		if p.asks[path] != who {
			t.Errorf("%s was asked for by %q, want %q", path, p.asks[path], who)
		}
	}
}

// A request that forgot its call is explained to the author.
func TestARequestOfNoCallIsExplained(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Proxy-Status", "carillon; error=http_request_denied")
		w.WriteHeader(http.StatusProxyAuthRequired)
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	for _, url := range []string{"https://perch.example/me", "http://perch.example/me"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := HTTPClient().Do(req)
		if err == nil {
			_ = res.Body.Close()
		}
		if f := social.FaultOf(err, false); err == nil || f.Kind != social.Transient || !strings.Contains(f.Err.Error(), "pass the context on") {
			t.Errorf("%s: %v", url, err)
		}
	}
}
