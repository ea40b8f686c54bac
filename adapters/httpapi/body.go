package httpapi

import (
	"cmp"
	"errors"
	"io"
	"mime"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/valyala/fasthttp"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/adapters/httpapi/strictjson"
	"github.com/carillonhq/carillon/ports/fault"
)

// body reads what the route takes: JSON whole, up to 1 MiB, or a stream that
// ends with an error when it grows too long.
func (s *surface) body(r api.Route) fiber.Handler {
	return func(c *fiber.Ctx) error {
		if r.Method == fiber.MethodGet || r.Method == fiber.MethodHead {
			return c.Next()
		}
		if coding := c.Get(fiber.HeaderContentEncoding); coding != "" && !strings.EqualFold(coding, "identity") {
			return fault.New(fault.Invalid, "request.unsupported_encoding", "Send the body as it is, without compression.").On("/header/Content-Encoding")
		}
		if r.Stream {
			return s.stream(c, cmp.Or(r.Most, s.MaxUpload))
		}
		data, err := readAll(c, maxJSON)
		if err != nil {
			return err
		}
		if len(data) > 0 && !isJSON(c.Get(fiber.HeaderContentType)) {
			return fault.New(fault.Invalid, "request.unsupported_media_type", "Send application/json.").On("/header/Content-Type")
		}
		if r.Bodyless && len(data) > 0 {
			// A member here would be somebody's wish, and would not be heard.
			if err := strictjson.Decode(data, new(struct{})); err != nil {
				return err
			}
		}
		c.Request().SetBodyRaw(data)
		return c.Next()
	}
}

func isJSON(contentType string) bool {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	return kind == "application/json" || kind == "application/merge-patch+json"
}

func readAll(c *fiber.Ctx, limit int64) ([]byte, error) {
	if int64(c.Request().Header.ContentLength()) > limit {
		return nil, tooLarge(limit)
	}
	r := c.Context().RequestBodyStream()
	if r == nil {
		return nil, nil
	}
	body := &limited{r: r, left: limit, limit: limit}
	data, err := io.ReadAll(body)
	body.settle(c)
	if err != nil {
		return nil, unread(err)
	}
	return data, nil
}

func unread(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return f
	}
	return fault.New(fault.Invalid, "request.incomplete", "The body did not arrive whole.").Because(err)
}

func tooLarge(limit int64) *fault.Error {
	return fault.New(fault.Invalid, "request.too_large", "At most %d bytes.", limit)
}

// stream hands the body on as it arrives, for longer than other requests.
func (s *surface) stream(c *fiber.Ctx, most int64) error {
	if int64(c.Request().Header.ContentLength()) > most {
		return tooLarge(most)
	}
	r := c.Context().RequestBodyStream()
	if r == nil {
		r = strings.NewReader("")
	}
	if conn := c.Context().Conn(); conn != nil {
		_ = conn.SetReadDeadline(time.Now().Add(uploadTimeout))
	}
	cancel := extend(c, uploadTimeout)
	defer cancel()
	body := &limited{r: r, left: most, limit: most}
	api.SetBodyStream(c, body)
	err := c.Next()
	body.settle(c)
	return err
}

// limited is a reader that fails, rather than ends, past its limit.
type limited struct {
	r           io.Reader
	left, limit int64
	err         error
	broken      bool // r failed: where its body ends, nobody knows
}

// settle ends the connection of a body that is broken. Whether it can be used
// after any other is up to endBody.
func (l *limited) settle(c *fiber.Ctx) {
	if l.broken {
		c.Context().SetConnectionClose()
	}
}

func (l *limited) Read(p []byte) (int, error) {
	if l.err != nil {
		return 0, l.err
	}
	if int64(len(p)) > l.left+1 {
		p = p[:l.left+1]
	}
	n, err := l.r.Read(p)
	if l.left -= int64(n); l.left < 0 {
		l.err = tooLarge(l.limit)
		return 0, l.err
	}
	if l.err = err; err != nil && !errors.Is(err, io.EOF) {
		l.err, l.broken = unread(err), true
	}
	return n, l.err
}

// What is read, and how long it is waited for, of a body that nobody wanted, so
// that whoever sends it hears why and can go on with the same connection.
const (
	spareBytes = 256 << 10
	spareTime  = 500 * time.Millisecond
)

// endBody ends the connection of a request whose body was not read to its end.
// fasthttp would read what is left of it as the next request, and behind a proxy
// that shares connections this may become somebody else's.
func endBody(ctx *fasthttp.RequestCtx) {
	if !ctx.Request.IsBodyStream() {
		return
	}
	if conn := ctx.Conn(); conn != nil {
		_ = conn.SetReadDeadline(time.Now().Add(spareTime)) // the next request sets its own
	}
	rest, err := io.Copy(io.Discard, io.LimitReader(ctx.RequestBodyStream(), spareBytes))
	if err != nil || rest == spareBytes {
		ctx.SetConnectionClose()
	}
}
