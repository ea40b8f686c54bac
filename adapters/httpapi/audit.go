package httpapi

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Audit is what the HTTP surface uses of audit.Service.
type Audit interface {
	List(ctx context.Context, who tenants.Scope, q audit.Query) (page []audit.Record, more bool, err error)
	Export(ctx context.Context, who tenants.Scope, q audit.Query, each func(audit.Record) error) error
}

// ListAudit implements GET /audit.
func (s *Server) ListAudit(ctx context.Context, req api.ListAuditRequestObject) (api.ListAuditResponseObject, error) {
	who, p, err := s.page(ctx, req.Params.Limit, req.Params.Cursor)
	if err != nil {
		return nil, err
	}
	q := auditQuery(req.Params.Actor, req.Params.Action, req.Params.Subject, req.Params.Since, req.Params.Until)
	q.Before, q.Limit = audit.ID(p.after), p.limit
	page, more, err := s.Audit.List(ctx, who, q)
	if err != nil {
		return nil, err
	}
	out := api.ListAudit200JSONResponse{Data: make([]api.AuditEntry, len(page)), HasMore: more}
	for i := range page {
		out.Data[i] = toAuditEntry(&page[i])
	}
	if more {
		out.NextCursor = s.next(ctx, string(page[len(page)-1].ID))
	}
	return out, nil
}

func auditQuery(actor, action, subject *string, since, until *time.Time) audit.Query {
	return audit.Query{Actor: or(actor), Action: or(action), Subject: or(subject), Since: or(since), Until: or(until)}
}

func toAuditEntry(r *audit.Record) api.AuditEntry {
	e := api.AuditEntry{
		Id: string(r.ID), Object: api.AuditEntryObjectAuditEntry, At: r.At, Actor: r.Actor, Impersonator: some(r.Behind),
		Action: r.Action, Subject: some(r.Subject), RequestId: some(r.RequestID), Seq: some(r.Seq), Hash: some(r.Hash.String()),
	}
	if len(r.Detail) > 0 {
		e.Detail = r.Detail
	}
	return e
}

// ExportAudit implements GET /audit:export.
func (s *Server) ExportAudit(ctx context.Context, req api.ExportAuditRequestObject) (api.ExportAuditResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	p := req.Params
	q := auditQuery(p.Actor, p.Action, p.Subject, p.Since, p.Until)
	// What is wrong with the question is said before the answer begins.
	if _, _, err := s.Audit.List(ctx, who, q); err != nil {
		return nil, err
	}
	out := &auditFile{mime: "application/x-ndjson", name: "audit.ndjson"}
	format := ndjson
	if or(p.Format) == api.Csv {
		out.mime, out.name, format = "text/csv", "audit.csv", csvOf
	}
	out.body, err = opened(ctx, downloadTimeout, func(life context.Context) (io.ReadCloser, error) {
		r, w := io.Pipe()
		go func() {
			buffered := bufio.NewWriterSize(w, 32<<10)
			err := s.Audit.Export(life, who, q, format(buffered))
			_ = w.CloseWithError(errors.Join(err, buffered.Flush())) // an answer that ends so is cut off, and seen to be
		}()
		return r, nil
	})
	return out, err
}

// auditFile is an export as an answer. Nothing is read much ahead of the client.
type auditFile struct {
	mime, name string
	body       io.ReadCloser
}

// VisitExportAuditResponse implements api.ExportAuditResponseObject.
func (f *auditFile) VisitExportAuditResponse(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, f.mime)
	c.Set(fiber.HeaderContentDisposition, `attachment; filename="`+f.name+`"`)
	c.Context().SetBodyStream(f.body, -1)
	return nil
}

func ndjson(w io.Writer) func(audit.Record) error {
	out := json.NewEncoder(w)
	return func(r audit.Record) error { return out.Encode(toAuditEntry(&r)) }
}

var auditColumns = []string{"id", "at", "actor", "impersonator", "action", "subject", "detail", "request_id", "seq", "hash"}

func csvOf(w io.Writer) func(audit.Record) error {
	out := csv.NewWriter(w)
	_ = out.Write(auditColumns) // an error stays until it is flushed
	out.Flush()
	return func(r audit.Record) error {
		detail, err := json.Marshal(r.Detail)
		if err != nil {
			return err
		}
		_ = out.Write([]string{
			string(r.ID), r.At.Format(time.RFC3339Nano), r.Actor, r.Behind, r.Action, r.Subject, string(detail), r.RequestID,
			strconv.FormatInt(r.Seq, 10), r.Hash.String(),
		})
		out.Flush()
		return out.Error()
	}
}
