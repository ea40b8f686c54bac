package postgres

import (
	"context"
)

// ListenDue calls wake when something became due, and once it is listening.
// It holds one connection and returns when ctx ends or the connection is lost.
func (db *DB) ListenDue(ctx context.Context, wake func()) error {
	return db.listen(ctx, dispatchChannel, wake, func(string) { wake() })
}

// listen calls ready when it hears channel, and heard with the payload of each
// notification on it.
func (db *DB) listen(ctx context.Context, channel string, ready func(), heard func(payload string)) error {
	held, err := db.app.pool.Acquire(ctx)
	if err != nil {
		return asFault(err)
	}
	conn := held.Hijack() // it must not go back to the pool listening
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	if _, err := conn.Exec(ctx, "listen "+channel); err != nil {
		return asFault(err)
	}
	ready()
	for {
		n, err := conn.WaitForNotification(ctx)
		if err != nil {
			return asFault(err)
		}
		heard(n.Payload)
	}
}
