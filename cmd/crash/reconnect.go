package main

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
)

// mender is the person who connects an account again. A process that dies
// between a platform's answer and its storing takes a refresh token with it
// that works once: no client can mend that, and the channel waits for somebody.
// What waits with it has to go out afterwards, so the driver goes on counting.
type mender struct {
	stage *stage
	stop  context.CancelFunc
	ended chan struct{}

	mu   sync.Mutex
	done int
}

// mend looks after the channels of a stage until end.
func mend(ctx context.Context, s *stage) *mender {
	ctx, stop := context.WithCancel(ctx)
	m := &mender{stage: s, stop: stop, ended: make(chan struct{})}
	go func() {
		defer close(m.ended)
		for ; ctx.Err() == nil; pause(ctx, 2*time.Second) {
			_ = m.look(ctx) // the database or the server may be away; they come back
		}
	}()
	return m
}

// end waits for what is under way and says how often an account was connected again.
func (m *mender) end() int {
	m.stop()
	<-m.ended
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.done
}

func (m *mender) look(ctx context.Context) error {
	waiting, err := m.waiting(ctx)
	if err != nil {
		return err
	}
	for _, id := range waiting {
		tenant, handle := m.stage.account(id)
		if _, err := m.stage.person.Connect(ctx, tenant, handle); err != nil {
			return err
		}
		m.mu.Lock()
		m.done++
		m.mu.Unlock()
	}
	return nil
}

// waiting lists the channels that a person has to connect again.
func (m *mender) waiting(ctx context.Context) ([]string, error) {
	conn, err := pgx.Connect(ctx, m.stage.rig.database)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(ctx) }()
	rows, err := conn.Query(ctx, "select id from channels where state = 'needs_reconnect'")
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[string])
}

// account is whose channel it is and by what name the network knows it.
func (s *stage) account(id string) (tenant, handle string) {
	for _, w := range s.tenants {
		for _, c := range w.channels {
			if c.id == id {
				return w.id, strings.TrimPrefix(c.author, authorPrefix)
			}
		}
	}
	return "", ""
}

// signedOut reports whether a problem says that a channel waits for a person.
func signedOut(body []byte) bool {
	var p struct{ Errors []struct{ Code string } }
	_ = json.Unmarshal(body, &p) // no problem has no errors
	for _, e := range p.Errors {
		if strings.HasPrefix(e.Code, "oauth.") || strings.HasPrefix(e.Code, "auth.") {
			return true
		}
	}
	return false
}
