// Package logging writes the log: one JSON object a line, without secrets.
//
// Three walls, because each has holes. A value of type secret.Secret prints
// itself as ***. A field whose name says that it is secret is replaced,
// whatever is in it. And every text is searched for what looks like a
// credential, since errors carry other people's texts. None of them knows an
// opaque secret in the middle of a sentence: do not log one.
//
// Start with New; mask.go has what is looked for.
package logging

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
)

// A Source tells what of a context belongs on each of its lines: the request,
// the tenant, the route.
type Source func(context.Context) []slog.Attr

// New returns a logger to w. Lines below level are not written. w is written
// to once a line, by one goroutine at a time.
func New(w io.Writer, level slog.Leveler, sources ...Source) *slog.Logger {
	out := slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: replace})
	return slog.New(handler{out, sources})
}

// replace hides an attribute by its name, in groups too, and what looks like a
// secret in any other.
func replace(_ []string, a slog.Attr) slog.Attr {
	switch kind := a.Value.Kind(); {
	case kind == slog.KindGroup:
	case secretName(a.Key):
		a.Value = slog.StringValue(hidden)
	case kind == slog.KindString:
		a.Value = slog.StringValue(mask(a.Value.String()))
	case kind == slog.KindAny:
		a.Value = maskAny(a.Value.Any())
	}
	return a
}

// maskAny masks what would be written of v.
func maskAny(v any) slog.Value {
	switch v := v.(type) {
	case nil, slog.Level, *slog.Source: // of the handler itself
		return slog.AnyValue(v)
	case json.Marshaler: // before error, as the handler does
	case error:
		return slog.StringValue(mask(v.Error()))
	}
	raw, err := json.Marshal(v)
	if err != nil {
		return slog.StringValue(mask(fmt.Sprintf("%+v", v)))
	}
	if masked := []byte(mask(string(raw))); json.Valid(masked) {
		return slog.AnyValue(json.RawMessage(masked))
	}
	return slog.StringValue(mask(string(raw)))
}

// handler adds what the context says, unless the line says it itself.
type handler struct {
	slog.Handler
	sources []Source
}

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	said := map[string]bool{}
	r.Attrs(func(a slog.Attr) bool { said[a.Key] = true; return true })
	for _, from := range h.sources {
		for _, a := range from(ctx) {
			if !said[a.Key] {
				r.AddAttrs(a)
			}
		}
	}
	return h.Handler.Handle(ctx, r)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return handler{h.Handler.WithAttrs(attrs), h.sources}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler {
	return handler{h.Handler.WithGroup(name), h.sources}
}
