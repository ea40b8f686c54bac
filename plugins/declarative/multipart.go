package declarative

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"slices"
	"strings"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// stream is a body made of several, closed together.
type stream struct {
	io.Reader
	files []io.Closer
}

func (s *stream) Close() (err error) {
	for _, f := range s.files {
		err = errors.Join(err, f.Close())
	}
	return err
}

// multipart streams fields and attachments. Every attachment is open before the
// first byte goes out, so that one which cannot be read is known in time.
func (c *call) multipart(ctx context.Context, m *Multipart) (io.ReadCloser, string, int64, error) {
	var head bytes.Buffer
	w := multipart.NewWriter(&head)
	for _, name := range slices.Sorted(maps.Keys(m.Fields)) {
		field := m.Fields[name]
		text, some, err := field.asText(c.scope)
		if err == nil && some {
			err = w.WriteField(name, text)
		}
		if err != nil {
			return nil, "", 0, c.broken("body", err)
		}
	}
	body, readers, size := &stream{}, []io.Reader{}, int64(0)
	flush := func() {
		size += int64(head.Len())
		readers = append(readers, bytes.NewReader(bytes.Clone(head.Bytes())))
		head.Reset()
	}
	for _, i := range c.attached(m) {
		one := c.media[i]
		file, err := c.part(ctx, w, m, i, one)
		if err != nil {
			_ = body.Close()
			return nil, "", 0, err
		}
		flush()
		body.files, readers, size = append(body.files, file), append(readers, io.LimitReader(file, one.Bytes)), size+one.Bytes
	}
	_ = w.Close() // to a buffer
	flush()
	body.Reader = io.MultiReader(readers...)
	return body, w.FormDataContentType(), size, nil
}

// attached are the attachments of a body: all, or the one of this step.
func (c *call) attached(m *Multipart) (list []int) {
	switch {
	case !m.Files.set():
		return nil
	case c.scope.Attachment.Name != "":
		return []int{c.scope.Index}
	}
	for i := range c.media {
		list = append(list, i)
	}
	return list
}

// part begins the part of one attachment and opens it.
func (c *call) part(ctx context.Context, w *multipart.Writer, m *Multipart, i int, one social.Media) (io.ReadCloser, error) {
	inner := *c.scope
	inner.Index, inner.Attachment = i, c.scope.Content.Media[i]
	name, err := m.Files.render(&inner, nil)
	if err == nil && (name == "" || strings.ContainsAny(name, "\"\r\n")) {
		err = fmt.Errorf("%q is no name for a field", name)
	}
	if err != nil {
		return nil, c.broken("body", err)
	}
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"; filename="%s"`, name, inner.Attachment.Name))
	header.Set("Content-Type", one.MIME)
	if _, err := w.CreatePart(header); err != nil {
		return nil, c.broken("body", err)
	}
	return c.open(ctx, one)
}

// open streams an attachment from the host.
func (c *call) open(ctx context.Context, m social.Media) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, m.URL, nil)
	if err != nil {
		return nil, c.unread(err)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return nil, c.unread(err)
	}
	if res.StatusCode != http.StatusOK || res.ContentLength >= 0 && res.ContentLength != m.Bytes {
		_ = res.Body.Close()
		return nil, c.unread(fmt.Errorf("status %d, %d bytes", res.StatusCode, res.ContentLength))
	}
	return res.Body, nil
}

func (c *call) unread(err error) *social.Fault {
	f := social.Fail(social.Transient, c.short+".media_unread", "An attachment could not be read.")
	f.Source, f.Err = social.FromNetwork, sdk.Cause(err) // the gateway's URL is itself a key
	return f
}
