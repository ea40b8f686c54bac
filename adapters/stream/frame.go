package stream

import (
	"bytes"
	"fmt"
)

// Frame is m as text/event-stream (https://html.spec.whatwg.org/multipage/server-sent-events.html).
// Events are unnamed messages with the envelope of webhooks as data; "ready"
// and "reset" are named, and carry the cursor like events do.
func (m Message) Frame() ([]byte, error) {
	switch m.Kind {
	case Beat:
		return []byte(":\n\n"), nil
	case Ready:
		return fmt.Appendf(nil, "retry: 2000\nid: %s\nevent: ready\ndata: {}\n\n", m.Cursor), nil
	case Reset:
		return fmt.Appendf(nil, "retry: 2000\nid: %s\nevent: reset\ndata: {}\n\n", m.Cursor), nil
	default:
		body, err := m.Event.Envelope()
		if err != nil {
			return nil, err
		}
		return bytes.Join([][]byte{[]byte("id: " + m.Cursor + "\ndata: "), body, []byte("\n\n")}, nil), nil
	}
}
