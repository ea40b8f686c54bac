package stream

import (
	"context"
	"sync"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/tenants"
)

// Heartbeat is how long a stream is silent at most.
const Heartbeat = 15 * time.Second

// recheck is how long an answer of a subscription's check is believed.
const recheck = time.Second

// Kind is what a message is.
type Kind int

// The kinds.
const (
	// Ready comes first: the stream goes on from Message.Cursor.
	Ready Kind = iota
	// Event carries one event.
	Event
	// Reset says that events were missed: fetch the state anew, then go on
	// from Message.Cursor. It comes instead of Ready when a resume fails.
	Reset
	// Beat keeps the connection alive.
	Beat
)

// Message is one thing to tell a subscriber.
type Message struct {
	Kind   Kind
	Cursor events.Cursor // for Last-Event-ID; empty for Beat
	Event  events.Event  // for Event
}

// Subscription is one stream. One goroutine uses it.
type Subscription struct {
	hub   *Hub
	topic *topic
	who   tenants.Scope
	check func(context.Context) error
	live  chan events.Event
	lost  chan struct{}
	close sync.Once

	last     events.Place // the newest place told
	missed   []events.Event
	behind   bool // there may be more to read before live
	greeting *Message
	checked  time.Time
}

// open joins the reader first and looks second: what happens in between is
// then seen twice rather than never.
func (s *Subscription) open(ctx context.Context, last events.Cursor) error {
	select {
	case <-s.topic.ready:
	case <-ctx.Done():
		return ctx.Err()
	}
	if s.topic.err != nil {
		return s.topic.err
	}
	return s.start(ctx, last)
}

func (s *Subscription) start(ctx context.Context, last events.Cursor) error {
	s.topic.add(s)
	from, reset, err := s.hub.source.Resume(ctx, s.who, last)
	if err != nil {
		return err
	}
	s.last, s.missed, s.behind = from, nil, true
	s.greeting = &Message{Kind: Ready, Cursor: from.Cursor}
	if reset {
		s.greeting.Kind = Reset
	}
	return nil
}

// Close ends the subscription. It may be called twice, and by another
// goroutine than Next's.
func (s *Subscription) Close() {
	s.close.Do(func() {
		s.topic.remove(s)
		s.hub.leave(s.topic)
	})
}

// Next waits for the next message, at most Heartbeat. It answers ctx's error,
// check's error, or Unavailable when the process stops.
func (s *Subscription) Next(ctx context.Context) (Message, error) {
	timer := time.NewTimer(Heartbeat)
	defer timer.Stop()
	for {
		m, ok, err := s.waiting(ctx)
		if err != nil || ok {
			return m, err
		}
		select {
		case <-ctx.Done():
			return Message{}, ctx.Err()
		case <-s.topic.ctx.Done():
			return Message{}, ended()
		case <-timer.C:
			return Message{Kind: Beat}, s.allowed(ctx)
		case <-s.lost:
			if err := s.restart(ctx); err != nil {
				return Message{}, err
			}
		case e := <-s.live:
			s.missed = append(s.missed, e)
		}
	}
}

// waiting returns what can be told without waiting.
func (s *Subscription) waiting(ctx context.Context) (Message, bool, error) {
	if err := s.allowed(ctx); err != nil {
		return Message{}, false, err
	}
	if m := s.greeting; m != nil {
		s.greeting = nil
		return *m, true, nil
	}
	for {
		for len(s.missed) > 0 {
			e := s.missed[0]
			s.missed = s.missed[1:]
			if e.Place.After(s.last) {
				s.last = e.Place
				return Message{Kind: Event, Cursor: e.Seq(), Event: e}, true, nil
			}
		}
		if !s.behind {
			return Message{}, false, nil
		}
		page, err := s.hub.source.Follow(ctx, s.who, s.last)
		if err != nil {
			return Message{}, false, err
		}
		s.missed, s.behind = page.Events, page.More
	}
}

// restart forgets the overrun buffer and goes on from the newest event.
func (s *Subscription) restart(ctx context.Context) error {
	for len(s.live) > 0 {
		<-s.live // nobody fills it: the reader has let go of us
	}
	if err := s.start(ctx, ""); err != nil {
		return err
	}
	s.greeting.Kind = Reset
	return nil
}

func (s *Subscription) allowed(ctx context.Context) error {
	if s.check == nil || time.Since(s.checked) < recheck {
		return nil
	}
	s.checked = time.Now()
	return s.check(ctx)
}
