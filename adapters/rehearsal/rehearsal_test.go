package rehearsal

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/egress"
)

type upstreamAt string

func (u upstreamAt) URL() string                               { return string(u) }
func (u upstreamAt) Counts() bool                              { return false }
func (u upstreamAt) Objects(context.Context) ([]Object, error) { return nil, nil }

// through is a client that goes through a proxy to an echo.
func through(t *testing.T) (*Proxy, *http.Client) {
	t.Helper()
	echo := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, r.Method+" "+r.Host+r.URL.Path+" "+r.Header.Get("Proxy-Authorization"))
	}))
	t.Cleanup(echo.Close)
	return between(t, upstreamAt(echo.URL))
}

// between is a client that goes through a proxy to up.
func between(t *testing.T, up Upstream) (*Proxy, *http.Client) {
	t.Helper()
	dir := t.TempDir()
	p, err := newProxy(dir, up)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	pem, err := os.ReadFile(filepath.Join(dir, caDir, caFile))
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	at, err := url.Parse(p.credentials())
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{Proxy: http.ProxyURL(at), TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}
	t.Cleanup(tr.CloseIdleConnections)
	return p, &http.Client{Transport: tr}
}

func get(t *testing.T, c *http.Client, url string) (int, string) {
	t.Helper()
	res, err := c.Get(url)
	if err != nil {
		return 0, err.Error()
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return 0, err.Error()
	}
	return res.StatusCode, string(body)
}

func TestEveryHostOfTheManifestIsTheFake(t *testing.T) {
	p, c := through(t)
	p.Allow("api.tern.example", "*.cdn.example", "{instance}")
	for url, want := range map[string]string{
		"http://api.tern.example/posts":    "GET api.tern.example/posts ",
		"https://api.tern.example/posts":   "GET api.tern.example/posts ",
		"https://a.cdn.example/x":          "GET a.cdn.example/x ",
		"http://elsewhere.example/posts":   "this host is not in the manifest",
		"http://169.254.169.254/meta-data": "this host is not in the manifest",
	} {
		if _, said := get(t, c, url); said != want {
			t.Errorf("%s: %q, want %q", url, said, want)
		}
	}
	if status, said := get(t, c, "https://elsewhere.example/"); status != 0 {
		t.Error("a tunnel to another host:", said)
	}
	if _, said := get(t, &http.Client{Transport: &http.Transport{}}, p.URL()+"/direct"); !strings.Contains(said, "/direct") {
		t.Error(said)
	}
	var refused, direct int
	for _, e := range p.Since(0) {
		refused, direct = refused+count(e.Refused), direct+count(e.Direct)
	}
	if refused != 3 || direct != 1 {
		t.Errorf("%d refused, %d direct", refused, direct)
	}
}

func TestARequestAfterItsCallIsStillKnownAsThatCalls(t *testing.T) {
	p, _ := through(t)
	p.Allow("api.tern.example")
	way, end := p.lend(egress.Call{Tenant: "mine"})
	for _, late := range []bool{false, true} {
		mark := p.Label("")
		by, _ := url.Parse(way)
		get(t, &http.Client{Transport: &http.Transport{Proxy: http.ProxyURL(by), DisableKeepAlives: true}}, "http://api.tern.example/posts")
		for _, e := range p.Since(mark) {
			if e.Call.Tenant != "mine" || e.Late != late || e.Unattributed() != late {
				t.Errorf("late %t: %v of %q", late, e, e.Call.Tenant)
			}
		}
		if len(p.Since(mark)) != 1 {
			t.Errorf("late %t: %d requests", late, len(p.Since(mark)))
		}
		end()
	}
	for range maxOver {
		_, end := p.lend(egress.Call{})
		end()
	}
	if len(p.calls) != maxOver {
		t.Errorf("%d calls are known, %d over", len(p.calls), maxOver)
	}
}

func count(is bool) int {
	if is {
		return 1
	}
	return 0
}

func TestWhatIsSpoiled(t *testing.T) {
	for name, c := range map[string]struct {
		act       Action
		status    int
		forwarded bool
	}{
		"answered":     {Action{Answer: &Answer{Status: 418}}, 418, false},
		"applied":      {Action{Forward: true, Answer: &Answer{Status: 500}}, 500, true},
		"reset before": {Action{Cut: BeforeBody}, 0, false},
		"reset after":  {Action{Forward: true, Cut: AfterBody}, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			p, client := through(t)
			p.Allow("api.tern.example")
			p.Spoil(func(Exchange) *Action { return &c.act })
			for _, scheme := range []string{"http", "https"} {
				mark := p.Label(scheme)
				res, err := client.Post(scheme+"://api.tern.example/", "text/plain", strings.NewReader("x"))
				status := 0
				if err == nil {
					status = res.StatusCode
					_ = res.Body.Close()
				}
				seen := p.Since(mark)
				if status != c.status || len(seen) != 1 || seen[0].Forwarded != c.forwarded || seen[0].Label != scheme {
					t.Errorf("%s: %d, %v, %+v", scheme, status, err, seen)
				}
			}
		})
	}
}

func TestSettings(t *testing.T) {
	for name, c := range map[string]struct{ yaml, bad string }{
		"none":        {"run: {command: [./x]}", ""},
		"all":         {"test: {upstream: {command: [./fake], objects: /o}, accounts: [{id: a}], settle: 2s, expect: {'503': [transient]}, answers: {'401': {status: 400}}}", ""},
		"a typo":      {"test: {upstreams: {}}", "upstreams"},
		"no account":  {"test: {upstream: {command: [./fake]}}", "accounts"},
		"no such":     {"test: {answers: {'599': {status: 1}}}", "599"},
		"no kind":     {"test: {expect: {'503': [harmless]}}", "harmless"},
		"out of here": {"test: {cases: [{media: [{file: ../../etc/passwd}]}]}", "not below"},
	} {
		_, err := parse([]byte(c.yaml))
		if (err == nil) != (c.bad == "") || err != nil && !strings.Contains(err.Error(), c.bad) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestAMistakeInTheSettingsHasItsLine(t *testing.T) {
	for text, want := range map[string]string{
		"run: {}\ntest:\n  setle: 2s\n":                              `:3: there is no field "setle" here`,
		"test:\n  settle: soon\n":                                    `:2: "soon" is a text, and a time such as 10s is wanted`,
		"test:\n  answers:\n    '401': {status: 1}\n    '599': {}\n": ":4: test.answers.599: it is none of",
		"test:\n  expect:\n    '503': [harmless]\n":                  ":3: test.expect.503: there is no kind of fault",
		"test: {upstream: {command: [./fake]}}\n":                    ": test.accounts: name an account",
	} {
		if _, err := parse([]byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzSettings(f *testing.F) {
	f.Add("test: {upstream: {command: [./fake]}, accounts: [{id: a}]}")
	f.Add("test: &a [*a]")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := parse([]byte(text))
		if _, wrong := s.check(); err == nil && wrong != nil {
			t.Error("accepted and wrong")
		}
	})
}

func TestPlace(t *testing.T) {
	for path, want := range map[string]string{
		"/api/v1/media?alt=x":   "POST /api/v1/media",
		"/posts/117":            "POST /posts/…",
		"/xrpc/com.atproto.foo": "POST /xrpc/com.atproto.foo",
	} {
		if got := (Exchange{Method: "POST", Path: path}).Place(); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
}

// An account's own server comes as the product hands it over: a host, whatever
// the settings say.
func TestInstancesHaveTheFormOfProduction(t *testing.T) {
	p, _ := through(t)
	for _, written := range []string{"{upstream}", "{upstream}/", "{host}"} {
		s := &Stage{Proxy: p, Settings: Settings{Accounts: make([]AccountSettings, 1), Connect: []map[string]string{{"instance": written}}}}
		s.Settings.Accounts[0].Credential.Public = map[string]string{"instance": written}
		s.Settings.Accounts[0].Public = map[string]string{"instance": written}
		account, call, _ := s.Account(0)
		in, _ := s.Input(0)
		for _, got := range []string{account.Public["instance"], call.Credential.Public["instance"], in["instance"]} {
			if got != p.addr {
				t.Errorf("%s: %q, want %q", written, got, p.addr)
			}
		}
	}
}
