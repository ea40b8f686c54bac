package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
	"github.com/carillonhq/carillon/cmd/internal/person"
)

// A written post is what the API was asked for, and what it promised.
type written struct {
	tenant   string
	name     string // unique; the text of each part begins with it
	shared   string // what the first part says instead, as others do
	input    client.PostInput
	parts    int
	authors  []string
	due      time.Time // once promised
	ahead    time.Duration
	id       string
	version  int
	turned   int    // how often it was turned away for a channel that waits for a person
	promised bool   // the API acknowledged that it is to go out
	refusal  string // why not
}

// draft draws post i.
func (s *stage) draft(e experiment, i int) *written {
	dice := e.dice(uint64(i) + 1000)
	w := &written{name: fmt.Sprintf("%s-%d-%d", e.Name, e.Seed, i), parts: 1}
	home := s.tenants[dice.IntN(len(s.tenants))]
	w.tenant = home.id
	first := dice.IntN(len(home.channels))
	chosen := home.channels[first : first+1]
	if dice.IntN(5) == 0 { // some go to two places at once
		chosen = append(chosen[:1:1], home.channels[(first+1)%len(home.channels)])
	}
	var variants []client.Variant
	kind := dice.IntN(4)
	if kind == 0 {
		w.parts = 3
	}
	if dice.IntN(3) == 0 {
		w.shared = fmt.Sprintf("%s-%d: good morning, no. %d", e.Name, e.Seed, dice.IntN(3))
	}
	for n := range w.parts {
		w.input.Segments = append(w.input.Segments, client.Segment{Text: w.text(n)})
	}
	for _, c := range chosen {
		variants = append(variants, client.Variant{ChannelId: c.id, Segments: w.instead()})
		w.authors = append(w.authors, c.author)
	}
	if kind == 1 {
		w.input.FirstComment = &client.Comment{Text: w.text(w.parts)}
		w.parts++
	}
	if dice.IntN(10) < 3 {
		w.ahead = time.Duration(3+dice.IntN(6)) * time.Second
	}
	w.input.Channels = &variants
	return w
}

// text is unique for each part; what follows the colon varies nothing.
func (w *written) text(part int) string { return fmt.Sprintf("%s part %d: ding dong", w.name, part) }

// says is what part says on the network. The first may say what others do: then
// nothing but the protocol keeps two lookups from the same object.
func (w *written) says(part int) string {
	if part == 0 && w.shared != "" {
		return w.shared
	}
	return w.text(part)
}

// instead is what a channel gets instead of the post's own parts, by which the
// driver knows it again.
func (w *written) instead() *[]client.Segment {
	if w.shared == "" {
		return nil
	}
	all := make([]client.Segment, w.parts)
	for n := range all {
		all[n].Text = w.says(n)
	}
	return &all
}

// write writes all posts, evenly over the experiment's length, and repeats
// what was not answered until it was.
func write(ctx context.Context, s *stage, e experiment) []*written {
	all := make([]*written, e.Posts)
	var busy sync.WaitGroup
	every := time.NewTicker(e.length() / time.Duration(e.Posts))
	defer every.Stop()
	slots := make(chan struct{}, 64)
	for i := range all {
		all[i] = s.draft(e, i)
		slots <- struct{}{}
		busy.Go(func() {
			if err := s.insist(ctx, all[i]); err != nil {
				all[i].refusal = err.Error()
				fmt.Fprintf(os.Stderr, "crash: %s: %v\n", all[i].name, err)
			}
			<-slots
		})
		select {
		case <-every.C:
		case <-ctx.Done():
		}
	}
	busy.Wait()
	return all
}

// insist creates the post and has it published. Each request has a key, and is
// sent until it is answered.
func (s *stage) insist(ctx context.Context, w *written) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	if err := again(ctx, func() (*http.Response, []byte, error) { return s.create(ctx, w) }); err != nil {
		return fmt.Errorf("create: %w", err)
	}
	if err := again(ctx, func() (*http.Response, []byte, error) { return s.send(ctx, w) }); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	w.promised = true
	return nil
}

func (s *stage) create(ctx context.Context, w *written) (*http.Response, []byte, error) {
	c, err := s.person.In(ctx, w.tenant)
	if err != nil {
		return nil, nil, err
	}
	key := "create-" + w.name
	made, err := c.CreatePostWithResponse(ctx, &client.CreatePostParams{IdempotencyKey: &key}, w.input)
	if err != nil {
		return nil, nil, err
	}
	if made.JSON201 != nil {
		w.id, w.version = made.JSON201.Id, made.JSON201.Version
	} else if code(made.Body) == "idempotency.answer_lost" {
		return s.find(ctx, c, w)
	}
	return made.HTTPResponse, made.Body, nil
}

// find looks for a post whose creation was applied and never answered.
func (s *stage) find(ctx context.Context, c *client.ClientWithResponses, w *written) (*http.Response, []byte, error) {
	limit := 100
	for p := (&client.ListPostsParams{Limit: &limit}); ; {
		list, err := c.ListPostsWithResponse(ctx, p)
		if err != nil {
			return nil, nil, err
		}
		if list.JSON200 == nil {
			return list.HTTPResponse, list.Body, nil
		}
		for _, post := range list.JSON200.Data {
			if post.Segments[0].Text == w.text(0) {
				w.id, w.version = post.Id, post.Version
				return list.HTTPResponse, list.Body, nil
			}
		}
		if p.Cursor = list.JSON200.NextCursor; !list.JSON200.HasMore {
			return nil, nil, fmt.Errorf("%s was said to be applied, and is not there", w.name)
		}
	}
}

func (s *stage) send(ctx context.Context, w *written) (*http.Response, []byte, error) {
	c, err := s.person.In(ctx, w.tenant)
	if err != nil {
		return nil, nil, err
	}
	key, match := fmt.Sprintf("send-%s-%s-%d", w.name, w.ahead, w.turned), fmt.Sprintf(`"v%d"`, w.version)
	var res *http.Response
	var body []byte
	w.due = time.Now()
	if w.ahead == 0 {
		sent, err := c.PublishPostWithResponse(ctx, w.id, &client.PublishPostParams{IdempotencyKey: key, IfMatch: &match})
		if err != nil {
			return nil, nil, err
		}
		res, body = sent.HTTPResponse, sent.Body
	} else {
		at := w.plan()
		planned, err := c.SchedulePostWithResponse(ctx, w.id, &client.SchedulePostParams{IdempotencyKey: key, IfMatch: &match}, at)
		if err != nil {
			return nil, nil, err
		}
		res, body = planned.HTTPResponse, planned.Body
	}
	if signedOut(body) { // the refusal is kept with its key
		w.turned++
		return nil, nil, person.Said(res, body)
	}
	switch code(body) {
	case "schedule.past": // it was never applied, and its time has passed meanwhile
		w.ahead = 0
		return nil, nil, person.Said(res, body)
	case "idempotency.answer_lost":
	default:
		return res, body, nil
	}
	now, err := c.GetPostWithResponse(ctx, w.id, nil)
	if err != nil {
		return nil, nil, err
	}
	if now.JSON200 == nil {
		return nil, nil, person.Said(now.HTTPResponse, now.Body)
	}
	if len(now.JSON200.Deliveries) == 0 {
		return nil, nil, fmt.Errorf("%s was said to be applied, and is a draft", w.name)
	}
	return now.HTTPResponse, now.Body, nil
}

// plan is the same at every try: a repeated request has to be the same one.
func (w *written) plan() client.ScheduleInput {
	if w.input.Schedule == nil {
		local, zone := time.Now().Add(w.ahead).UTC().Format("2006-01-02T15:04:05"), "UTC"
		w.input.Schedule = &client.ScheduleInput{LocalTime: &local, Timezone: &zone}
	}
	at, err := time.Parse("2006-01-02T15:04:05", *w.input.Schedule.LocalTime)
	if err == nil {
		w.due = at
	}
	return *w.input.Schedule
}

// again repeats a request until it is answered for good.
func again(ctx context.Context, request func() (*http.Response, []byte, error)) error {
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 2*time.Second) {
		res, body, err := request()
		if err == nil && res.StatusCode/100 == 2 {
			return nil
		}
		if err == nil {
			err = person.Said(res, body)
			if lasting(res.StatusCode, body) {
				return err
			}
		}
		if pause(ctx, wait); ctx.Err() != nil {
			return err
		}
	}
}

func lasting(status int, body []byte) bool {
	switch {
	case status >= 500, status == http.StatusTooManyRequests, status == http.StatusUnauthorized, status == http.StatusRequestTimeout:
		return false
	case status == http.StatusConflict:
		return !strings.HasPrefix(code(body), "idempotency.")
	}
	return true
}

// code is the slug of a problem.
func code(body []byte) string {
	var p struct{ Code string }
	_ = json.Unmarshal(body, &p) // no problem has no code
	return p.Code
}
