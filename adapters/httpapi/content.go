package httpapi

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// GetMediaContent implements GET /media/{media}/content. The bytes are the
// kernel's own re-encoding; even so a browser may only save them.
func (s *Server) GetMediaContent(ctx context.Context, req api.GetMediaContentRequestObject) (api.GetMediaContentResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	m, err := s.Media.Get(ctx, who, media.ID(req.Media))
	if err != nil {
		return nil, err
	}
	out := &content{mime: m.MIME, tag: `"` + m.SHA256 + `"`, size: m.Bytes, span: span{0, m.Bytes}}
	if asked := or(req.Params.IfRange); asked == "" || asked == out.tag {
		if out.span, out.part, err = readRange(or(req.Params.Range), m.Bytes); err != nil {
			exchangeOf(ctx).c.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes */%d", m.Bytes))
			return nil, err
		}
	}
	out.body, err = opened(ctx, downloadTimeout, func(life context.Context) (io.ReadCloser, error) {
		return s.Media.Open(life, who, m.ID, out.from, out.length)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// downloadTimeout bounds one answer, however steadily the client reads.
const downloadTimeout = 10 * time.Minute

// content is a file, or one part of it, as an answer. The server reads the body
// while it sends, and closes it.
type content struct {
	mime, tag string
	size      int64
	span
	part bool // of it, rather than all
	body *download
}

// VisitGetMediaContentResponse implements api.GetMediaContentResponseObject.
func (f *content) VisitGetMediaContentResponse(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, f.mime)
	c.Set(fiber.HeaderETag, f.tag)
	c.Set(fiber.HeaderAcceptRanges, "bytes")
	c.Set(fiber.HeaderContentDisposition, "attachment")
	c.Set(fiber.HeaderContentSecurityPolicy, "sandbox; default-src 'none'")
	if f.part {
		c.Set(fiber.HeaderContentRange, fmt.Sprintf("bytes %d-%d/%d", f.from, f.from+f.length-1, f.size))
		c.Status(http.StatusPartialContent)
	}
	c.Context().SetBodyStream(f.body, int(f.length))
	return nil
}

// A download is a body that gives a slow client time, as long as it reads.
type download struct {
	io.ReadCloser
	end  context.CancelFunc
	conn net.Conn
}

// opened is what open answers, as the body of this request's answer: it outlives
// the request's deadline, and ends after timeout.
func opened(ctx context.Context, timeout time.Duration, open func(context.Context) (io.ReadCloser, error)) (*download, error) {
	life, end := context.WithTimeout(context.WithoutCancel(ctx), timeout)
	body, err := open(life)
	if err != nil {
		end()
		return nil, err
	}
	return &download{ReadCloser: body, end: end, conn: exchangeOf(ctx).c.Context().Conn()}, nil
}

func (d *download) Read(p []byte) (int, error) {
	if d.conn != nil {
		_ = d.conn.SetWriteDeadline(time.Now().Add(patience))
	}
	return d.ReadCloser.Read(p)
}

// Close implements io.Closer.
func (d *download) Close() error {
	defer d.end()
	return d.ReadCloser.Close()
}

// A span is length bytes from a place on.
type span struct{ from, length int64 }

// readRange reads a Range header. What is no single range of bytes asks for
// everything (part is false), and one past the end for what is not there.
func readRange(header string, size int64) (s span, part bool, err error) {
	whole := span{0, size}
	spec, ok := strings.CutPrefix(header, "bytes=")
	first, last, dash := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok || !dash || !digits(first) || !digits(last) || first+last == "" {
		return whole, false, nil
	}
	from, errFrom := strconv.ParseInt(first, 10, 64)
	to, errTo := strconv.ParseInt(last, 10, 64)
	switch {
	case first != "" && errFrom != nil || last != "" && errTo != nil:
		return whole, false, nil
	case first == "": // the last bytes
		from, to = max(size-to, 0), size-1
	case last == "":
		to = size - 1
	case to < from:
		return whole, false, nil
	}
	if from >= size {
		return whole, false, fault.New(fault.Invalid, "media.bad_range", "The file ends before this range.").On("/header/Range")
	}
	return span{from, min(to, size-1) - from + 1}, true, nil
}

func digits(s string) bool { return strings.Trim(s, "0123456789") == "" }
