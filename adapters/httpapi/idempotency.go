package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/idempotency"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

const (
	headerKey      = "Idempotency-Key"
	headerReplayed = "Idempotency-Replayed"
	keepAnswer     = 24 * time.Hour
	keepPublished  = 30 * 24 * time.Hour // where a second run would publish twice
)

// idempotent runs a request with a key once.
func (s *surface) idempotent(r api.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if !r.Keyed {
			return c.Next()
		}
		if c.QueryBool("dry_run") && slices.Contains(r.Query, "dry_run") {
			return c.Next() // nothing is kept, so nothing can happen twice
		}
		key := c.Get(headerKey)
		if key == "" {
			if r.Idempotency == "required" {
				return fault.New(fault.Invalid, "idempotency.key_required", "Send an Idempotency-Key: this must not happen twice.").On("/header/" + headerKey)
			}
			return c.Next()
		}
		if len(key) > 255 || strings.ContainsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return api.BadParameter("/header/" + headerKey)
		}
		return s.once(c, r, key)
	}
}

func (s *surface) once(c *fiber.Ctx, r api.Route, key string) error {
	who, err := tenants.FromContext(c.UserContext())
	if err != nil {
		return err
	}
	ctx, claim, err := s.Keys.Begin(c.UserContext(), who.Tenant, idempotency.Request{
		Principal: who.Actor(), Method: r.Method, Route: r.Path, Key: key,
		Hash: requestHash(c), Lease: s.Timeout + 5*time.Second, Keep: keep(r),
	})
	if err != nil {
		return err
	}
	if claim.Done != nil {
		return replay(c, claim.Done)
	}
	c.SetUserContext(events.WithRequestID(ctx, requestID(c), key))
	if err := c.Next(); err != nil {
		if err := s.problems(c, err); err != nil {
			return err
		}
	}
	return s.settle(c, who.Tenant, claim)
}

// settle keeps the answer, or frees the key if trying again may help. It does
// so even for a caller that has run out of time.
func (s *surface) settle(c *fiber.Ctx, tenant tenants.ID, claim idempotency.Claim) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(c.UserContext()), 5*time.Second)
	defer cancel()
	res := c.Response()
	if code := res.StatusCode(); code >= http.StatusInternalServerError || code == http.StatusTooManyRequests {
		return s.Keys.Abandon(ctx, tenant, claim)
	}
	return s.Keys.Finish(ctx, tenant, claim, idempotency.Answer{
		Status: res.StatusCode(), ContentType: string(res.Header.ContentType()),
		ETag: string(res.Header.Peek(fiber.HeaderETag)), Location: string(res.Header.Peek(fiber.HeaderLocation)), Body: res.Body(),
	})
}

func keep(r api.Route) time.Duration {
	if r.Idempotency == "required" {
		return keepPublished
	}
	return keepAnswer
}

func replay(c *fiber.Ctx, a *idempotency.Answer) error {
	c.Set(headerReplayed, "true")
	if a.ETag != "" {
		c.Set(fiber.HeaderETag, a.ETag)
	}
	if a.Location != "" {
		c.Set(fiber.HeaderLocation, a.Location)
	}
	if a.ContentType != "" {
		c.Set(fiber.HeaderContentType, a.ContentType)
	}
	return c.Status(a.Status).Send(a.Body)
}

func requestHash(c *fiber.Ctx) string {
	h := sha256.New()
	for _, part := range [][]byte{
		[]byte(c.Path()), c.Context().QueryArgs().QueryString(), []byte(c.Get(fiber.HeaderIfMatch)), c.Request().Body(),
	} {
		sum := sha256.Sum256(part)
		h.Write(sum[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}
