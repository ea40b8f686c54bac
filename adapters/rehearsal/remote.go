package rehearsal

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"strings"
)

// remote is a server of the author's choice in place of the fake that the
// project names: another fake, a platform on this machine, a test account at
// the real one.
type remote struct {
	whole   *url.URL            // for every host that is not in routes; nil: none
	routes  map[string]*url.URL // by host
	objects string
}

// Remote reads what a person says of it: a URL for everything that the plugin
// asks for, or HOST=URL for one host of its manifest, and several of these. A
// host that is not named is never asked. On this machine, objects is a path
// that tells what is live, as in Settings; elsewhere nothing is counted.
func Remote(said []string, objects string) (Upstream, error) {
	r := &remote{routes: map[string]*url.URL{}}
	for _, one := range said {
		host, to, routed := strings.Cut(one, "=")
		if !routed || strings.Contains(host, "/") {
			host, to = "", one
		}
		u, err := url.Parse(strings.TrimRight(to, "/"))
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || u.User != nil || u.Path+u.RawQuery+u.Fragment != "" {
			return nil, fmt.Errorf("%.100q is neither a URL such as https://tern.example nor HOST=URL", one)
		}
		if host == "" {
			r.whole = u
		} else {
			r.routes[strings.ToLower(host)] = u
		}
	}
	if r.whole != nil && here(r.whole) {
		r.objects = objects
	}
	return r, nil
}

// here reports whether u is on this machine.
func here(u *url.URL) bool {
	at, err := netip.ParseAddr(u.Hostname())
	return u.Hostname() == "localhost" || err == nil && at.IsLoopback()
}

// URL implements Upstream.
func (r *remote) URL() string {
	if r.whole == nil {
		return ""
	}
	return r.whole.String()
}

// Counts implements Upstream.
func (r *remote) Counts() bool { return r.objects != "" }

// Objects implements Upstream.
func (r *remote) Objects(ctx context.Context) ([]Object, error) {
	if r.objects == "" {
		return nil, errors.New("nothing tells what is live there")
	}
	return listed(ctx, r.URL()+r.objects)
}

// to is where a request for host goes, nil if nowhere.
func (r *remote) to(host string) *url.URL {
	host = strings.ToLower(host)
	for _, at := range []string{host, strings.TrimSuffix(strings.TrimSuffix(host, ":443"), ":80")} {
		if u := r.routes[at]; u != nil {
			return u
		}
	}
	return r.whole
}

// settle makes a request one for the server that gets it, by its own name.
func (r *remote) settle(out *http.Request, asked string) error {
	to := r.to(asked)
	if to == nil {
		return fmt.Errorf("--upstream does not say where %s is", asked)
	}
	out.URL.Scheme, out.URL.Host, out.Host = to.Scheme, to.Host, to.Host
	return nil
}

var fromEnv = regexp.MustCompile(`\{env:([A-Za-z_][A-Za-z0-9_]*)\}`)

// Revealed is text with {env:NAME} replaced by that variable of the author's
// environment: tokens of real accounts do not belong into a file.
func Revealed(text string) string {
	return fromEnv.ReplaceAllStringFunc(text, func(m string) string { return os.Getenv(m[len("{env:") : len(m)-1]) })
}
