package httpapi

import (
	"context"
	"errors"
	"io"
	"mime/multipart"
	"strings"
	"unicode/utf8"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/adapters/httpapi/strictjson"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Media is what the HTTP surface uses of media.Service.
type Media interface {
	Upload(ctx context.Context, who tenants.Scope, req media.UploadRequest) (*media.Media, error)
	Get(ctx context.Context, who tenants.Scope, id media.ID) (*media.Media, error)
	List(ctx context.Context, who tenants.Scope, page media.Page) ([]*media.Media, media.ID, error)
	SetAlt(ctx context.Context, who tenants.Scope, id media.ID, alt string, version int) (*media.Media, error)
	Delete(ctx context.Context, who tenants.Scope, id media.ID, force bool) error
	Open(ctx context.Context, who tenants.Scope, id media.ID, offset, length int64) (io.ReadCloser, error)
}

// ListMedia implements GET /media.
func (s *Server) ListMedia(ctx context.Context, req api.ListMediaRequestObject) (api.ListMediaResponseObject, error) {
	who, q, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	files, next, err := s.Media.List(ctx, who, media.Page{Before: media.ID(q.after), Limit: q.limit})
	if err != nil {
		return nil, err
	}
	return api.ListMedia200JSONResponse{Data: each(files, toMedia), HasMore: next != "", NextCursor: s.next(ctx, string(next))}, nil
}

// UploadMedia implements POST /media.
func (s *Server) UploadMedia(ctx context.Context, req api.UploadMediaRequestObject) (api.UploadMediaResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := described(req.Params); err != nil {
		return nil, err
	}
	upload := media.UploadRequest{Name: or(req.Params.Name), DeclaredMIME: req.ContentType, Alt: or(req.Params.Alt), Reader: req.Body}
	if req.MultipartBody != nil {
		if upload, err = filePart(req.MultipartBody, upload); err != nil {
			return nil, err
		}
	}
	if upload.Reader == nil && exchangeOf(ctx).c.Get(fiber.HeaderContentType) != "" {
		return nil, media.ErrUnsupported().On("/header/Content-Type")
	}
	if upload.Reader == nil {
		return nil, fault.New(fault.Invalid, "request.unsupported_media_type", "Send an image, or a form with a part named file.").On("/header/Content-Type")
	}
	m, err := s.Media.Upload(ctx, who, upload)
	if err != nil {
		return nil, err
	}
	etag(ctx, m.Version)
	return api.UploadMedia201JSONResponse(toMedia(m)), nil
}

// described refuses what the contract says is too long: the generator checks
// the lengths of members, and not those of parameters.
func described(p api.UploadMediaParams) error {
	switch {
	case utf8.RuneCountInString(or(p.Alt)) > 2000:
		return fault.New(fault.Invalid, "field.too_large", "This must be at most %d characters long.", 2000).On("/query/alt")
	case utf8.RuneCountInString(or(p.Name)) > 255:
		return fault.New(fault.Invalid, "field.too_large", "This must be at most %d characters long.", 255).On("/query/name")
	}
	return nil
}

// filePart finds the part named file. Before it, alt and name may say the same
// as in the address. Nothing in a form is left unread: what is there twice, is
// called something else or comes after the file is refused.
func filePart(form *multipart.Reader, u media.UploadRequest) (media.UploadRequest, error) {
	texts := map[string]*string{"alt": &u.Alt, "name": &u.Name}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			return u, fault.New(fault.Invalid, "media.no_file", "Send the file as a part named file.").On("/file")
		}
		if err != nil {
			return u, unread(err)
		}
		name := part.FormName()
		if name == "file" {
			if u.Name == "" {
				u.Name = part.FileName()
			}
			u.DeclaredMIME, u.Reader = part.Header.Get(fiber.HeaderContentType), &lastPart{part, form}
			return u, nil
		}
		text := texts[name]
		if text == nil {
			return u, strayPart(name, "This form has a part named file and, before it, alt and name, each once.")
		}
		delete(texts, name)
		if *text, err = said(part, name); err != nil {
			return u, err
		}
	}
}

func strayPart(name, says string) error {
	return fault.New(fault.Invalid, "media.stray_part", "%s", says).On(pointerTo(name))
}

// pointerTo is where the part of a name is.
func pointerTo(name string) string {
	return "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(strings.ToValidUTF8(name[:min(len(name), 64)], "?"))
}

// said is a part that is a text. One that is too long for anything is cut, so
// that whoever checks it refuses it.
func said(part io.Reader, name string) (string, error) {
	raw, err := io.ReadAll(io.LimitReader(part, utf8.UTFMax*(media.MaxAlt+1)))
	if err != nil {
		return "", unread(err)
	}
	if !plain(string(raw)) {
		return "", fault.New(fault.Invalid, "text.malformed", "This text is not valid UTF-8.").On("/" + name)
	}
	return string(raw), nil
}

// lastPart is the last part of a form: it fails at its end if there is another,
// and where the form breaks off within it.
type lastPart struct {
	io.Reader
	form *multipart.Reader
}

func (p *lastPart) Read(b []byte) (int, error) {
	n, err := p.Reader.Read(b)
	switch {
	case errors.Is(err, io.EOF):
		more, end := p.form.NextPart()
		switch {
		case end == nil:
			return n, strayPart(more.FormName(), "The file is the last part of the form. Send this before it, once.")
		case !errors.Is(end, io.EOF):
			return n, unread(end)
		}
	case err != nil:
		err = unread(err)
	}
	return n, err
}

// GetMedia implements GET /media/{media}.
func (s *Server) GetMedia(ctx context.Context, req api.GetMediaRequestObject) (api.GetMediaResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	m, err := s.Media.Get(ctx, who, media.ID(req.Media))
	if err != nil {
		return nil, err
	}
	etag(ctx, m.Version)
	return api.GetMedia200JSONResponse(toMedia(m)), nil
}

// UpdateMedia implements PATCH /media/{media}.
func (s *Server) UpdateMedia(ctx context.Context, req api.UpdateMediaRequestObject) (api.UpdateMediaResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	now, err := s.Media.Get(ctx, who, media.ID(req.Media))
	if err != nil {
		return nil, err
	}
	version, err := basedOn(ctx, now.Version)
	if err != nil {
		return nil, err
	}
	form := mediaForm{now.Alt}
	next, err := strictjson.Merge(form, *req.Body)
	if err != nil {
		return nil, err
	}
	m := now
	if !strictjson.Same(form, next) {
		m, err = s.Media.SetAlt(ctx, who, now.ID, next.Alt, version)
	}
	if err != nil {
		return nil, raced(err, s.mediaVersion(ctx, who, now.ID))
	}
	etag(ctx, m.Version)
	return api.UpdateMedia200JSONResponse(toMedia(m)), nil
}

// mediaForm is what can be changed of a file. Null takes the text away.
type mediaForm struct {
	Alt string `json:"alt,omitempty" validate:"text"`
}

func (s *Server) mediaVersion(ctx context.Context, who tenants.Scope, id media.ID) func() (int, error) {
	return func() (int, error) {
		m, err := s.Media.Get(ctx, who, id)
		if err != nil {
			return 0, err
		}
		return m.Version, nil
	}
}

// DeleteMedia implements DELETE /media/{media}.
func (s *Server) DeleteMedia(ctx context.Context, req api.DeleteMediaRequestObject) (api.DeleteMediaResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Media.Delete(ctx, who, media.ID(req.Media), or(req.Params.Force)); err != nil {
		return nil, err
	}
	return api.DeleteMedia204Response{}, nil
}

func toMedia(m *media.Media) api.Media {
	return api.Media{
		Id: string(m.ID), Object: api.MediaObjectMedia, State: api.MediaState(m.State), Kind: api.MediaKind(m.Kind), Mime: some(m.MIME),
		Bytes: some(m.Bytes), Width: some(m.Width), Height: some(m.Height), Sha256: some(m.SHA256), Alt: m.Alt, Name: some(m.Name),
		CreatedBy: some(m.CreatedBy), Version: m.Version, CreatedAt: m.CreatedAt,
	}
}
