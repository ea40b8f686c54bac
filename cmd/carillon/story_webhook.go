package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
)

// hook is somebody's server that is told what happens.
type hook struct {
	server *http.Server
	told   chan told
}

// told is one delivery, with the result of checking its signature.
type told struct {
	Type string `json:"type"`
	err  error
}

// subscribe registers a webhook for posts that went live.
func (s *story) subscribe(ctx context.Context) error {
	ln, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	made, err := s.client.CreateWebhookWithResponse(ctx, client.WebhookInput{Url: "http://" + ln.Addr().String() + "/hook", Types: &[]string{"post.published"}})
	if err != nil || made.JSON201 == nil {
		_ = ln.Close()
		return answer(err, made.Body)
	}
	key, err := standard.NewWebhook(made.JSON201.Secret)
	if err != nil {
		_ = ln.Close()
		return err
	}
	s.hook = &hook{told: make(chan told, 16)}
	s.hook.server = &http.Server{Handler: s.hook.receive(key), ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = s.hook.server.Serve(ln) }()
	s.step("registered a webhook", "for post.published, at %s", ln.Addr())
	return nil
}

func (h *hook) receive(key *standard.Webhook) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		var t told
		body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err == nil {
			err = key.Verify(body, r.Header)
		}
		if err == nil {
			err = json.Unmarshal(body, &t)
		}
		t.err = err
		select {
		case h.told <- t:
			w.WriteHeader(http.StatusNoContent)
		default:
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}
}

// hooked waits until the webhook was told of both posts.
func (s *story) hooked(ctx context.Context) error {
	defer func() { _ = s.hook.server.Close() }()
	limit, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for range 2 {
		select {
		case t := <-s.hook.told:
			if t.err != nil || t.Type != "post.published" {
				return fmt.Errorf("a webhook told of %q: %w", t.Type, t.err)
			}
		case <-limit.Done():
			return fmt.Errorf("the webhook was not told within a minute: %w", limit.Err())
		}
	}
	s.step("was told by webhook", "of both posts, each signed")
	return nil
}
