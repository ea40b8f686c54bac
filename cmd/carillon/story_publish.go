package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
)

// publish writes two posts, sends one now and one in ten seconds, and watches
// both go live.
func (s *story) publish(ctx context.Context) error {
	later, err := s.create(ctx, s.thread())
	if err != nil {
		return err
	}
	local := time.Now().Add(10 * time.Second).In(time.UTC)
	wall, zone, ifMatch := local.Format("2006-01-02T15:04:05"), "UTC", etag(later)
	planned, err := s.client.SchedulePostWithResponse(ctx, later.Id, &client.SchedulePostParams{IdempotencyKey: key(), IfMatch: &ifMatch},
		client.ScheduleInput{LocalTime: &wall, Timezone: &zone})
	if err != nil || planned.JSON200 == nil {
		return answer(err, planned.Body)
	}
	s.step("scheduled a thread", "3 parts, a photograph and a first comment, for %s %s", wall, zone)

	now, err := s.send(ctx, client.PostInput{Channels: s.channels(), Segments: []client.Segment{{Text: "Fresh bread at seven bells. https://example.com/menu"}}})
	if err != nil {
		return err
	}
	s.step("published a post", "now")
	for _, p := range []struct{ id, name string }{{now.Id, "the post"}, {later.Id, "the thread"}} {
		if err := s.events.wait(ctx, "post.published", p.id); err != nil {
			return err
		}
		s.step("heard that it is live", "%s, over the event stream", p.name)
		if err := s.receipt(ctx, p.id); err != nil {
			return err
		}
	}
	return s.metrics(ctx, later.Id)
}

func (s *story) channels() *[]client.Variant {
	return &[]client.Variant{{ChannelId: s.channel}}
}

// thread is three parts, a photograph and a first comment.
func (s *story) thread() client.PostInput {
	return client.PostInput{
		Channels: s.channels(),
		Segments: []client.Segment{
			{Text: "One keyboard, many bells. A thread in three parts. #carillon", Media: &[]client.Attachment{{Id: s.media}}},
			{Text: "Each part leaves when the one before it is known to be there."},
			{Text: "And if nobody can tell, a person is asked. Nothing is sent twice."},
		},
		FirstComment: &client.Comment{Text: "The first comment, by the same rules."},
	}
}

func (s *story) first(ctx context.Context) error {
	_, err := s.send(ctx, s.thread())
	return err
}

// send creates a post and publishes it now.
func (s *story) send(ctx context.Context, in client.PostInput) (*client.Post, error) {
	p, err := s.create(ctx, in)
	if err != nil {
		return nil, err
	}
	match := etag(p)
	sent, err := s.client.PublishPostWithResponse(ctx, p.Id, &client.PublishPostParams{IdempotencyKey: key(), IfMatch: &match})
	if err != nil || sent.HTTPResponse.StatusCode/100 != 2 {
		return nil, answer(err, sent.Body)
	}
	return p, nil
}

func (s *story) create(ctx context.Context, in client.PostInput) (*client.Post, error) {
	k := key()
	made, err := s.client.CreatePostWithResponse(ctx, &client.CreatePostParams{IdempotencyKey: &k}, in)
	if err != nil || made.JSON201 == nil {
		return nil, answer(err, made.Body)
	}
	return made.JSON201, nil
}

func etag(p *client.Post) string { return fmt.Sprintf(`"v%d"`, p.Version) }

// receipt reads what happened and opens each permalink.
func (s *story) receipt(ctx context.Context, post string) error {
	r, err := s.client.GetReceiptWithResponse(ctx, post)
	if err != nil || r.JSON200 == nil {
		return answer(err, r.Body)
	}
	for _, d := range r.JSON200.Deliveries {
		for _, sg := range d.Segments {
			if sg.State != "live" || sg.Url == nil || len(sg.Attempts) != 1 {
				return answer(nil, r.Body)
			}
			if err := s.visit(ctx, *sg.Url); err != nil {
				return err
			}
			s.step("read its receipt", "%s %d, 1 attempt, %s", sg.Kind, sg.Position+1, *sg.Url)
		}
	}
	return nil
}

func (s *story) visit(ctx context.Context, address string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return err
	}
	res, err := s.browser.Do(req)
	if err != nil {
		return err
	}
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answered %s", address, res.Status)
	}
	return nil
}

// metrics waits until the worker has asked the network how the post is doing.
func (s *story) metrics(ctx context.Context, post string) error {
	if err := s.events.wait(ctx, "metrics.updated", post); err != nil {
		return err
	}
	m, err := s.client.GetMetricsWithResponse(ctx, post)
	if err != nil || m.JSON200 == nil || len(m.JSON200.Data) == 0 {
		return answer(err, m.Body)
	}
	of := m.JSON200.Data[0].Values
	s.step("read metrics", "of the thread's %d parts; the first has %.0f comments, %.0f likes", len(m.JSON200.Data), of["comments"], of["likes"])
	return nil
}

// listener is one event stream and what it heard.
type listener struct {
	api, token, tenant string
	heard              chan [2]string // type and subject
	seen               map[[2]string]bool
}

func (l *listener) open(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.api+"/api/v1/events/stream", http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+l.token)
	req.Header.Set("Carillon-Tenant", l.tenant)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("the stream answered %s", res.Status)
	}
	l.heard, l.seen = make(chan [2]string, 1000), map[[2]string]bool{}
	go func() {
		defer func() { _ = res.Body.Close() }()
		defer close(l.heard)
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if data, ok := strings.CutPrefix(lines.Text(), "data:"); ok {
				var e struct {
					Type string
					Data struct{ ID string }
				}
				if json.Unmarshal([]byte(data), &e) == nil {
					l.heard <- [2]string{e.Type, e.Data.ID}
				}
			}
		}
	}()
	return nil
}

// wait returns when an event about subject was heard, before or now.
func (l *listener) wait(ctx context.Context, event, subject string) error {
	want := [2]string{event, subject}
	for !l.seen[want] {
		select {
		case e, open := <-l.heard:
			if !open {
				return fmt.Errorf("the stream ended before %s of %s", event, subject)
			}
			l.seen[e] = true
		case <-ctx.Done():
			return fmt.Errorf("never heard %s of %s: %w", event, subject, ctx.Err())
		}
	}
	return nil
}
