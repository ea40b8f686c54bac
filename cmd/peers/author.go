package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	openapi_types "github.com/oapi-codegen/runtime/types"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
	"github.com/carillonhq/carillon/ports/id"
)

// What is published.
const alt = "A photograph for the reference server"

var (
	parts   = []string{"One keyboard, many bells. A thread in three parts. #carillon", "Each part leaves when the one before it is there.", "And nothing is sent twice. 👩‍🚀"}
	comment = "The first comment, by the same rules."
)

// person is who `carillon seed` says can sign in.
type person struct {
	Email     string `json:"email"`
	Password  string `json:"password"`
	Workspace string `json:"workspace"`
}

// author has the REST API and nothing else.
type author struct {
	*client.ClientWithResponses
	channel string
	post    *client.Post
}

func (t *trial) connect(ctx context.Context) (err error) {
	if t.author, err = signIn(ctx, t.api, t.person); err != nil {
		return err
	}
	return t.author.connect(ctx, map[string]string{
		"identifier": t.account.handle, "password": t.account.appPassword, "instance": strings.TrimPrefix(t.front.origin, "http://"),
	})
}

func signIn(ctx context.Context, api string, who person) (*author, error) {
	anyone, err := client.NewClientWithResponses(api+"/api/v1", client.WithHTTPClient(web))
	if err != nil {
		return nil, err
	}
	in, err := anyone.LoginWithResponse(ctx, client.Login{Email: openapi_types.Email(who.Email), Password: who.Password})
	if err != nil {
		return nil, err
	}
	if in.JSON200 == nil {
		return nil, refused("login", in.Body)
	}
	c, err := client.NewClientWithResponses(api+"/api/v1", client.WithHTTPClient(web), client.WithToken(in.JSON200.AccessToken, who.Workspace))
	return &author{ClientWithResponses: c}, err
}

// connect fills in the platform's form and takes the account it leads to.
func (a *author) connect(ctx context.Context, form map[string]string) error {
	begun, err := a.StartConnectionWithResponse(ctx, client.ConnectionInput{Platform: "app.bsky"})
	if err != nil {
		return err
	}
	if begun.JSON201 == nil || begun.JSON201.Form == nil {
		return refused("start connection", begun.Body)
	}
	next, err := a.ContinueConnectionWithResponse(ctx, begun.JSON201.Id, client.ConnectionAnswer{Input: &form})
	if err != nil {
		return err
	}
	if c := next.JSON200; c != nil && c.Accounts != nil && len(*c.Accounts) == 1 {
		chosen := []string{(*c.Accounts)[0].Id}
		if next, err = a.ContinueConnectionWithResponse(ctx, c.Id, client.ConnectionAnswer{Accounts: &chosen}); err != nil {
			return err
		}
	}
	if c := next.JSON200; c == nil || c.Channels == nil || len(*c.Channels) != 1 {
		return refused("continue connection", next.Body)
	}
	a.channel = (*next.JSON200.Channels)[0]
	return nil
}

// publish sends the thread and waits until nothing more will happen to it.
func (t *trial) publish(ctx context.Context) error {
	photo, err := os.ReadFile(t.opt.photo)
	if err != nil {
		return err
	}
	media, err := t.author.upload(ctx, photo)
	if err != nil {
		return err
	}
	t.front.arm(t.opt.seed, t.opt.kills, 1+len(parts)+1, t.revive)
	if err := t.author.send(ctx, media); err != nil {
		return err
	}
	state, err := t.settle(ctx)
	if err != nil {
		return err
	}
	t.verdict.State, t.verdict.Kills = string(state), t.front.deaths()
	t.verdict.Writes, err = t.front.result()
	return err
}

func (a *author) upload(ctx context.Context, photo []byte) (string, error) {
	text := alt
	up, err := a.UploadMediaWithBodyWithResponse(ctx, &client.UploadMediaParams{Alt: &text}, "image/jpeg", bytes.NewReader(photo))
	if err != nil {
		return "", err
	}
	if up.JSON201 == nil {
		return "", refused("upload", up.Body)
	}
	return up.JSON201.Id, nil
}

// send creates the thread, with the photograph on its first part, and publishes
// it now.
func (a *author) send(ctx context.Context, media string) error {
	in := client.PostInput{Channels: &[]client.Variant{{ChannelId: a.channel}}, FirstComment: &client.Comment{Text: comment}}
	for _, text := range parts {
		in.Segments = append(in.Segments, client.Segment{Text: text})
	}
	in.Segments[0].Media = &[]client.Attachment{{Id: media}}
	once := id.New("req")
	made, err := a.CreatePostWithResponse(ctx, &client.CreatePostParams{IdempotencyKey: &once}, in)
	if err != nil {
		return err
	}
	if made.JSON201 == nil {
		return refused("create post", made.Body)
	}
	a.post = made.JSON201
	version := fmt.Sprintf(`"v%d"`, a.post.Version)
	sent, err := a.PublishPostWithResponse(ctx, a.post.Id, &client.PublishPostParams{IdempotencyKey: id.New("req"), IfMatch: &version})
	if err != nil {
		return err
	}
	if sent.StatusCode() >= http.StatusMultipleChoices {
		return refused("publish", sent.Body)
	}
	return nil
}

// settle waits until the post is out, or will not go out by itself.
func (t *trial) settle(ctx context.Context) (client.PostState, error) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	var last client.PostState
	for seen := 0; ; {
		got, err := t.author.GetPostWithResponse(ctx, t.author.post.Id, nil)
		if err != nil {
			return last, err
		}
		if got.JSON200 == nil {
			return last, refused("get post", got.Body)
		}
		if kills := t.front.deaths(); len(kills) > seen {
			seen = len(kills)
			t.say("killed the worker during %s; the request was %s", kills[seen-1].At, kills[seen-1].Fate)
		}
		if last = got.JSON200.State; last != client.PostStatePublishing && last != client.PostStateScheduled {
			return last, nil
		}
		select {
		case <-ctx.Done():
			return last, fmt.Errorf("the post is still %s: %w", last, ctx.Err())
		case <-tick.C:
		}
	}
}

func refused(what string, body []byte) error {
	return errors.New(what + ": the server answered " + strings.TrimSpace(string(body)))
}
