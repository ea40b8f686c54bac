package httpapi

import (
	"context"
	"io"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/exports"
)

// Exports is what the HTTP surface uses of exports.Service.
type Exports interface {
	Begin(ctx context.Context, who tenants.Scope, children bool) (*exports.Export, error)
	Get(ctx context.Context, who tenants.Scope, name exports.ID) (*exports.Export, error)
	List(ctx context.Context, who tenants.Scope, before exports.ID, limit int) (page []exports.Export, more bool, err error)
	Fetchable(ctx context.Context, who tenants.Scope, name exports.ID) (*exports.Export, error)
	Open(ctx context.Context, who tenants.Scope, name exports.ID) (*exports.Export, io.ReadCloser, error)
}

// ListExports implements GET /exports.
func (s *Server) ListExports(ctx context.Context, req api.ListExportsRequestObject) (api.ListExportsResponseObject, error) {
	who, p, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	page, more, err := s.Exports.List(ctx, who, exports.ID(p.after), p.limit)
	if err != nil {
		return nil, err
	}
	out := api.ListExports200JSONResponse{Data: make([]api.Export, len(page)), HasMore: more}
	for i := range page {
		out.Data[i] = toExport(&page[i])
	}
	if more {
		out.NextCursor = s.next(ctx, string(page[len(page)-1].ID))
	}
	return out, nil
}

// CreateExport implements POST /exports.
func (s *Server) CreateExport(ctx context.Context, req api.CreateExportRequestObject) (api.CreateExportResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.Exports.Begin(ctx, who, or(req.Body.IncludeChildren))
	if err != nil {
		return nil, err
	}
	return api.CreateExport202JSONResponse{Body: toExport(e), Headers: api.CreateExport202ResponseHeaders{Location: jobAt(e.Job)}}, nil
}

// GetExport implements GET /exports/{export}.
func (s *Server) GetExport(ctx context.Context, req api.GetExportRequestObject) (api.GetExportResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.Exports.Get(ctx, who, exports.ID(req.Export))
	if err != nil {
		return nil, err
	}
	return api.GetExport200JSONResponse(toExport(e)), nil
}

func toExport(e *exports.Export) api.Export {
	return api.Export{
		Id: string(e.ID), Object: api.ExportObjectExport, State: api.ExportState(e.State), JobId: e.Job, IncludeChildren: e.Children,
		Tenants: as[string](e.Covers), Stage: some(e.Stage), Percent: e.Percent(), Rows: e.Rows, Bytes: e.Bytes, Sha256: some(e.SHA256),
		CreatedAt: e.CreatedAt, FinishedAt: some(e.FinishedAt), ExpiresAt: some(e.ExpiresAt),
	}
}

const (
	// linkLife is how long an address of an archive works.
	linkLife = 5 * time.Minute
	// archiveTimeout bounds one download, however steadily the client reads.
	archiveTimeout = 12 * time.Hour
)

const fetchBinding = "archive of an export"

// LinkExport implements POST /exports/{export}:link.
func (s *Server) LinkExport(ctx context.Context, req api.LinkExportRequestObject) (api.LinkExportResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	e, err := s.Exports.Fetchable(ctx, who, exports.ID(req.Export))
	if err != nil {
		return nil, err
	}
	token, err := s.archive.issue(ctx, fetchBinding, who, string(e.ID), linkLife)
	if err != nil {
		return nil, err
	}
	return api.LinkExport201JSONResponse{
		Url: s.URL + base + "/exports:download?token=" + token, ExpiresIn: int(linkLife.Seconds()),
	}, nil
}

// DownloadExport implements GET /exports:download.
func (s *Server) DownloadExport(ctx context.Context, req api.DownloadExportRequestObject) (api.DownloadExportResponseObject, error) {
	_, who, name, err := s.admit(ctx, s.archive, fetchBinding, req.Params.Token,
		fault.New(fault.Unauthenticated, "export.bad_link", "This address has expired. Ask for another."))
	if err != nil {
		return nil, err
	}
	var e *exports.Export
	body, err := opened(ctx, archiveTimeout, func(life context.Context) (body io.ReadCloser, err error) {
		e, body, err = s.Exports.Open(life, who, exports.ID(name))
		return body, err
	})
	if err != nil {
		return nil, err
	}
	return &archiveFile{size: e.Bytes, name: string(e.ID) + ".zip", tag: `"` + e.SHA256 + `"`, body: body}, nil
}

// archiveFile is an archive as an answer. The server reads the body while it
// sends, and closes it.
type archiveFile struct {
	size      int64
	name, tag string
	body      io.ReadCloser
}

// VisitDownloadExportResponse implements api.DownloadExportResponseObject.
func (f *archiveFile) VisitDownloadExportResponse(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, "application/zip")
	c.Set(fiber.HeaderETag, f.tag)
	c.Set(fiber.HeaderCacheControl, "private, no-store")
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+f.name+`"`)
	c.Set(fiber.HeaderContentSecurityPolicy, "sandbox; default-src 'none'")
	c.Context().SetBodyStream(f.body, int(f.size))
	return nil
}
