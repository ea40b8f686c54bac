package main

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

// person uses the API like anybody: with a browser, a token and patience.
type person struct {
	api     string
	browser *http.Client

	mu    sync.Mutex
	token string
	since time.Time
}

// tokenLife is less than the server gives a session token.
const tokenLife = 8 * time.Minute

func newPerson(api string) *person {
	jar, _ := cookiejar.New(nil) // it cannot fail without options
	return &person{api: api, browser: &http.Client{Jar: jar, Timeout: 10 * time.Second}}
}

// in is a client for one tenant, signed in.
func (p *person) in(ctx context.Context, tenant string) (*client.ClientWithResponses, error) {
	token, err := p.signedIn(ctx)
	if err != nil {
		return nil, err
	}
	return client.NewClientWithResponses(p.api+"/api/v1", client.WithHTTPClient(p.browser), client.WithToken(token, tenant))
}

func (p *person) signedIn(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.token != "" && time.Since(p.since) < tokenLife {
		return p.token, nil
	}
	anyone, err := client.NewClientWithResponses(p.api+"/api/v1", client.WithHTTPClient(p.browser))
	if err != nil {
		return "", err
	}
	in, err := anyone.LoginWithResponse(ctx, client.Login{Email: openapi_types.Email(writer.Email), Password: string(writer.Password)})
	if err != nil {
		return "", err
	}
	if in.JSON200 == nil {
		return "", said(in.HTTPResponse, in.Body)
	}
	p.token, p.since = in.JSON200.AccessToken, time.Now()
	return p.token, nil
}

// connect goes through the network's consent page.
func (p *person) connect(ctx context.Context, tenant, handle string) (channel string, err error) {
	c, err := p.in(ctx, tenant)
	if err != nil {
		return "", err
	}
	back := "/docs"
	started, err := c.StartConnectionWithResponse(ctx, client.ConnectionInput{Platform: "org.carillonhq.pigeon", ReturnUrl: &back})
	if err != nil {
		return "", err
	}
	if started.JSON201 == nil || started.JSON201.Redirect == nil {
		return "", said(started.HTTPResponse, started.Body)
	}
	if err := p.consent(ctx, *started.JSON201.Redirect, handle); err != nil {
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
		return "", said(got.HTTPResponse, got.Body)
	}
	return (*done.Channels)[0], nil
}

// consent presses the button of an account.
func (p *person) consent(ctx context.Context, page, handle string) error {
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
	res, err := p.browser.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err == nil && res.StatusCode != http.StatusOK {
		err = said(res, body)
	}
	return err
}

// said is an answer that was not the one hoped for.
func said(res *http.Response, body []byte) error {
	if res == nil {
		return errors.New("no answer")
	}
	return fmt.Errorf("%s: %.500s", res.Status, strings.TrimSpace(string(body)))
}
