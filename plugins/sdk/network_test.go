package sdk

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/social"
)

// The client's errors may be returned as they are: they say what they prove.
func TestARequestOutsideCommitFailsAsANetworkFault(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	cut := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "100")
		_, _ = io.WriteString(w, "{")
	}))
	t.Cleanup(cut.Close)
	armed := committing(t.Context())
	over := committing(t.Context())
	begun(over)
	for name, tt := range map[string]struct {
		ctx         context.Context
		method, url string
		want        social.Kind
	}{
		"a step":                   {t.Context(), http.MethodPost, closed.URL, social.Transient},
		"no such host":             {t.Context(), http.MethodGet, "http://host.invalid/?secret=1", social.Transient},
		"its answer breaks off":    {t.Context(), http.MethodGet, cut.URL, social.Transient},
		"a read before the commit": {armed, http.MethodGet, closed.URL, social.Transient},
		"a write that is armed":    {armed, http.MethodPost, closed.URL, social.Ambiguous},
		"a read after the commit":  {over, http.MethodGet, closed.URL, social.Ambiguous},
	} {
		t.Run(name, func(t *testing.T) {
			req, err := http.NewRequestWithContext(tt.ctx, tt.method, tt.url, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := HTTPClient().Do(req)
			if err == nil {
				_, err = io.ReadAll(res.Body)
				_ = res.Body.Close()
			}
			var f *social.Fault
			if !errors.As(err, &f) || f.Kind != tt.want || f.Source != social.FromNetwork || f.Err == nil || strings.Contains(f.Err.Error(), "secret") {
				t.Errorf("%+v, want %s", err, tt.want)
			}
		})
	}
}

// A host that the manifest does not list is named, in a tunnel and without.
func TestARefusedHostIsNamed(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Proxy-Status", "carillon; error=http_request_denied")
		w.WriteHeader(http.StatusForbidden)
	}))
	t.Cleanup(proxy.Close)
	t.Setenv("HTTPS_PROXY", proxy.URL)
	for _, url := range []string{"https://perch.example/me", "http://perch.example/me"} {
		for name, send := range map[string]func(*http.Request) (*http.Response, error){
			"client": HTTPClient().Do,
			"commit": func(r *http.Request) (*http.Response, error) { return Commit(t.Context(), HTTPClient(), r) },
		} {
			req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := send(req)
			if err == nil {
				_ = res.Body.Close()
			}
			f := social.FaultOf(err, false)
			if err == nil || f.Kind != social.Transient || f.Err == nil || !strings.Contains(f.Err.Error(), "perch.example") || !strings.Contains(f.Err.Error(), "is not in the plugin's manifest") {
				t.Errorf("%s by %s: %v (%v)", url, name, err, f.Err)
			}
		}
	}
}
