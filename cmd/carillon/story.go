package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
	"github.com/carillonhq/carillon/cmd/internal/person"
	"github.com/carillonhq/carillon/ports/id"
)

// story is the main job, told step by step by somebody who only has the API.
type story struct {
	out   io.Writer
	api   string
	began time.Time
	n     int
	doing string

	browser *http.Client // a person's: it keeps cookies and follows redirects
	token   string
	client  *client.ClientWithResponses
	events  *listener
	hook    *hook
	channel string
	media   string
}

// step says what was done, and remembers what comes next for an error.
func (s *story) step(what, format string, args ...any) {
	s.n++
	_, _ = fmt.Fprintf(s.out, "%5.1fs  %-32s %s\n", time.Since(s.began).Seconds(), what, fmt.Sprintf(format, args...))
}

// tell is the whole of it, for a demonstration.
func (s *story) tell(ctx context.Context) error {
	return s.do(ctx, []part{
		{"sign in", s.signIn},
		{"listen to events", s.listen},
		{"connect an account", s.connect},
		{"upload a photograph", s.upload},
		{"be told about mistakes", s.mistake},
		{"register a webhook", s.subscribe},
		{"publish now and later", s.publish},
		{"hear by webhook", s.hooked},
	})
}

// begin puts a first thread on the practice network.
func (s *story) begin(ctx context.Context) error {
	return s.do(ctx, []part{{"sign in", s.signIn}, {"connect", s.connect}, {"upload", s.upload}, {"publish", s.first}})
}

// part is one piece of a story.
type part struct {
	doing string
	do    func(context.Context) error
}

func (s *story) do(ctx context.Context, parts []part) error {
	s.browser = browser()
	for _, p := range parts {
		s.doing = p.doing
		if err := p.do(ctx); err != nil {
			return err
		}
	}
	return nil
}

func browser() *http.Client {
	jar, _ := cookiejar.New(nil) // it cannot fail without options
	return &http.Client{Jar: jar, Timeout: 30 * time.Second}
}

func (s *story) signIn(ctx context.Context) error {
	anyone, err := client.NewClientWithResponses(s.api+"/api/v1", client.WithHTTPClient(s.browser))
	if err != nil {
		return err
	}
	in, err := anyone.LoginWithResponse(ctx, client.Login{Email: openapi_types.Email(agencyOwner.Email), Password: demoPassword})
	if err != nil || in.JSON200 == nil {
		return answer(err, in.Body)
	}
	s.token = in.JSON200.AccessToken
	me, err := client.NewClientWithResponses(s.api+"/api/v1", client.WithHTTPClient(s.browser), client.WithToken(s.token, ""))
	if err != nil {
		return err
	}
	places, err := me.ListTenantsWithResponse(ctx)
	if err != nil || places.JSON200 == nil {
		return answer(err, places.Body)
	}
	for _, p := range places.JSON200.Data {
		if p.Name == clients[0] {
			s.client, err = client.NewClientWithResponses(s.api+"/api/v1", client.WithHTTPClient(s.browser), client.WithToken(s.token, p.Id))
			s.step("signed in", "%s, in the workspace of %s", agencyOwner.Name, p.Name)
			s.events = &listener{api: s.api, token: s.token, tenant: p.Id}
			return err
		}
	}
	return fmt.Errorf("%s has no workspace %q", agencyOwner.Name, clients[0])
}

func (s *story) listen(ctx context.Context) error {
	if err := s.events.open(ctx); err != nil {
		return err
	}
	s.step("listening", "to the event stream")
	return nil
}

// connect goes through the practice network's consent page like a person.
func (s *story) connect(ctx context.Context) (err error) {
	if s.channel, err = person.Connect(ctx, s.client, s.browser, "harbour"); err == nil {
		s.step("connected by OAuth", "channel %s", s.channel)
	}
	return err
}

func (s *story) upload(ctx context.Context) error {
	alt := "A photograph for the demonstration"
	up, err := s.client.UploadMediaWithBodyWithResponse(ctx, &client.UploadMediaParams{Alt: &alt}, "image/jpeg", bytes.NewReader(photo))
	if err != nil || up.JSON201 == nil {
		return answer(err, up.Body)
	}
	s.media = up.JSON201.Id
	s.step("uploaded a photograph", "%d kB sent, %d kB kept, without metadata", len(photo)>>10, *up.JSON201.Bytes>>10)
	return nil
}

// mistake shows what a text that is too long is told.
func (s *story) mistake(ctx context.Context) error {
	v, err := s.client.ValidatePostWithResponse(ctx, client.PostInput{
		Segments: []client.Segment{{Text: strings.Repeat("ding dong ", 60)}}, Channels: s.channels(),
	})
	if err != nil {
		return err
	}
	if !bytes.Contains(v.Body, []byte("text.too_long")) {
		return answer(nil, v.Body)
	}
	s.step("was told about a mistake", "a text of 600 characters is too long, before anything was sent")
	return nil
}

func key() string { return id.New("req") }

// answer makes an error of what the server said.
func answer(err error, body []byte) error {
	if err != nil {
		return err
	}
	return errors.New("the server answered " + strings.TrimSpace(string(body)))
}
