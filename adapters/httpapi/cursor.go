package httpapi

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// A signer makes opaque strings that only it can make, each bound to what it
// was made for.
type signer struct {
	key    []byte
	others [][]byte // what they signed counts, too
}

const macSize = 16

func (s signer) sign(binding, payload string) string {
	return base64.RawURLEncoding.EncodeToString(append(mac(s.key, binding, payload), payload...))
}

func (s signer) open(binding, signed string) (payload string, ok bool) {
	raw, err := base64.RawURLEncoding.Strict().DecodeString(signed)
	if err != nil || len(raw) < macSize {
		return "", false
	}
	payload = string(raw[macSize:])
	ok = hmac.Equal(raw[:macSize], mac(s.key, binding, payload))
	for _, other := range s.others {
		ok = ok || hmac.Equal(raw[:macSize], mac(other, binding, payload))
	}
	return payload, ok
}

func mac(key []byte, binding, payload string) []byte {
	bound := sha256.Sum256([]byte(binding))
	h := hmac.New(sha256.New, key)
	h.Write(bound[:])
	h.Write([]byte(payload))
	return h.Sum(nil)[:macSize]
}

// defaultLimit is the size of a page nobody asked a size for.
const defaultLimit = 20

// limitOf is the size of the page the caller asks for.
func limitOf(p *int) (int, error) {
	switch n := or(p); {
	case p == nil:
		return defaultLimit, nil
	case n < 1 || n > 100:
		return 0, fault.New(fault.Invalid, "page.bad_limit", "Ask for 1 to 100 at a time.").On("/query/limit")
	default:
		return n, nil
	}
}

// after opens a cursor of this very list. Nil is the first page.
func (s *surface) after(ctx context.Context, cursor *string) (string, error) {
	if cursor == nil {
		return "", nil
	}
	position, ok := s.cursors.open(listOf(ctx), *cursor)
	if !ok {
		return "", fault.New(fault.Invalid, "page.bad_cursor", "This cursor belongs to another list, or to none.").On("/query/cursor")
	}
	return position, nil
}

// next is the cursor that continues after position; empty, there is none.
func (s *surface) next(ctx context.Context, position string) *string {
	if position == "" {
		return nil
	}
	return some(s.cursors.sign(listOf(ctx), position))
}

// listOf names the list a request is about: whose, which and how filtered.
func listOf(ctx context.Context) string {
	who, _ := tenants.FromContext(ctx)
	x := exchangeOf(ctx)
	filter := url.Values{}
	for k, v := range x.c.Context().QueryArgs().All() {
		if name := string(k); name != "cursor" && name != "limit" {
			filter.Add(name, string(v))
		}
	}
	return string(who.Tenant) + "\n" + x.c.Path() + "\n" + filter.Encode()
}

// maxWindow is the longest stretch of a calendar, in one answer.
const maxWindow = 62 * 24 * time.Hour

// window checks a stretch of time; both ends or none are given.
func window(from, until *time.Time) (given bool, err error) {
	switch {
	case from == nil && until == nil:
		return false, nil
	case from == nil:
		return false, fault.New(fault.Invalid, "window.open", "Give both ends of the window.").On("/query/scheduled_at[gte]")
	case until == nil:
		return false, fault.New(fault.Invalid, "window.open", "Give both ends of the window.").On("/query/scheduled_at[lt]")
	case !from.Before(*until):
		return false, fault.New(fault.Invalid, "window.backwards", "The window ends before it begins.").On("/query/scheduled_at[lt]")
	case until.Sub(*from) > maxWindow:
		return false, fault.New(fault.Invalid, "window.too_long", "A window is at most 62 days long.").On("/query/scheduled_at[lt]")
	}
	return true, nil
}
