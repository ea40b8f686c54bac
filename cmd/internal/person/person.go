// Package person uses an installation like anybody, for the drivers that measure
// it, break it and hold it against real peers: through the API, with a browser,
// a token and patience.
//
// Start with New.
package person

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"sync"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
)

// Person is somebody with an account. It is safe for concurrent use.
type Person struct {
	api      string
	browser  *http.Client
	email    string
	password string

	mu    sync.Mutex
	token string
	since time.Time
}

// Network is the practice network as a platform.
const Network = "org.carillonhq.pigeon"

// tokenLife is less than the server gives a session token.
const tokenLife = 8 * time.Minute

// New is somebody who reaches the installation at api, "http://host:port".
func New(api, email, password string) *Person {
	jar, _ := cookiejar.New(nil) // it cannot fail without options
	return &Person{api: api, email: email, password: password, browser: &http.Client{Jar: jar, Timeout: 10 * time.Second}}
}

// In is a client for one tenant, signed in, with more options.
func (p *Person) In(ctx context.Context, tenant string, more ...client.ClientOption) (*client.ClientWithResponses, error) {
	token, err := p.SignedIn(ctx)
	if err != nil {
		return nil, err
	}
	return client.NewClientWithResponses(p.api+"/api/v1", append([]client.ClientOption{client.WithHTTPClient(p.browser), client.WithToken(token, tenant)}, more...)...)
}

// SignedIn is an access token that is good for a while.
func (p *Person) SignedIn(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token != "" && time.Since(p.since) < tokenLife {
		return p.token, nil
	}
	anyone, err := client.NewClientWithResponses(p.api+"/api/v1", client.WithHTTPClient(p.browser))
	if err != nil {
		return "", err
	}
	in, err := anyone.LoginWithResponse(ctx, client.Login{Email: openapi_types.Email(p.email), Password: p.password})
	if err != nil {
		return "", err
	}
	if in.JSON200 == nil {
		return "", Said(in.HTTPResponse, in.Body)
	}
	p.token, p.since = in.JSON200.AccessToken, time.Now()
	return p.token, nil
}

// Connect goes through the practice network's consent page and returns the channel.
func (p *Person) Connect(ctx context.Context, tenant, handle string, more ...client.ClientOption) (channel string, err error) {
	c, err := p.In(ctx, tenant, more...)
	if err != nil {
		return "", err
	}
	return Connect(ctx, c, p.browser, handle)
}

// Connect does that for whoever has a client and a browser already.
func Connect(ctx context.Context, c *client.ClientWithResponses, browser *http.Client, handle string) (channel string, err error) {
	back := "/docs"
	started, err := c.StartConnectionWithResponse(ctx, client.ConnectionInput{Platform: Network, ReturnUrl: &back})
	if err != nil {
		return "", err
	}
	if started.JSON201 == nil || started.JSON201.Redirect == nil {
		return "", Said(started.HTTPResponse, started.Body)
	}
	if err := consent(ctx, browser, *started.JSON201.Redirect, handle); err != nil {
		return "", err
	}
	got, err := c.GetConnectionWithResponse(ctx, started.JSON201.Id)
	if err != nil {
		return "", err
	}
	done := got.JSON200
	if done != nil && done.Channels == nil && done.Accounts != nil {
		chosen := []string{(*done.Accounts)[0].Id}
		next, err := c.ContinueConnectionWithResponse(ctx, done.Id, client.ConnectionAnswer{Accounts: &chosen})
		if err != nil {
			return "", err
		}
		done = next.JSON200
	}
	if done == nil || done.Channels == nil || len(*done.Channels) == 0 {
		return "", Said(got.HTTPResponse, got.Body)
	}
	return (*done.Channels)[0], nil
}

// consent presses the button of an account.
func consent(ctx context.Context, browser *http.Client, page, handle string) error {
	to, err := url.Parse(page)
	if err != nil {
		return err
	}
	form := to.Query()
	form.Set("account", handle)
	to.RawQuery = ""
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.String(), strings.NewReader(form.Encode()))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	res, err := browser.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = Said(res, body)
	}
	return err
}

// Said is an answer that was not the one hoped for.
func Said(res *http.Response, body []byte) error {
	if res == nil {
		return errors.New("no answer")
	}
	return fmt.Errorf("%s: %.500s", res.Status, strings.TrimSpace(string(body)))
}
