package httpapi

import (
	"context"
	"io"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
)

// SetBrandPicture implements PUT /brand/pictures/{picture}.
func (s *Server) SetBrandPicture(ctx context.Context, req api.SetBrandPictureRequestObject) (api.SetBrandPictureResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	own, counts, err := s.Brands.SetPicture(ctx, who, branding.PictureKind(req.Picture), req.Body)
	if err != nil {
		return nil, err
	}
	etag(ctx, own.Version)
	return api.SetBrandPicture200JSONResponse(toBrand(own, counts)), nil
}

// RemoveBrandPicture implements DELETE /brand/pictures/{picture}.
func (s *Server) RemoveBrandPicture(ctx context.Context, req api.RemoveBrandPictureRequestObject) (api.RemoveBrandPictureResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.Brands.RemovePicture(ctx, who, branding.PictureKind(req.Picture)); err != nil {
		return nil, err
	}
	return api.RemoveBrandPicture204Response{}, nil
}

// CheckSender implements POST /brand/sender:check.
func (s *Server) CheckSender(ctx context.Context, req api.CheckSenderRequestObject) (api.CheckSenderResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	c, err := s.Brands.CheckSender(ctx, who, or(or(req.Body).DkimSelector))
	if err != nil {
		return nil, err
	}
	return api.CheckSender200JSONResponse{
		Object: api.SenderCheckObjectSenderCheck, Sender: c.Sender, Domain: c.Domain, Proven: c.Proven, Records: each(c.Records, toRecord),
	}, nil
}

func toRecord(r branding.Record) api.SenderRecord {
	return api.SenderRecord{Kind: api.SenderRecordKind(r.Kind), Name: some(r.Name), State: api.SenderRecordState(r.State), Found: r.Found, Advice: some(r.Advice)}
}

// GetThemePicture implements GET /theme/pictures/{address}. The bytes are the
// kernel's own re-encoding, and still a browser that opens them runs nothing.
func (s *Server) GetThemePicture(ctx context.Context, req api.GetThemePictureRequestObject) (api.GetThemePictureResponseObject, error) {
	var pic *branding.Picture
	body, err := opened(ctx, downloadTimeout, func(life context.Context) (body io.ReadCloser, err error) {
		pic, body, err = s.Brands.Picture(life, s.hostTenant(exchangeOf(ctx).c), req.Address)
		return body, err
	})
	if err != nil {
		return nil, err
	}
	return &shown{pic, body}, nil
}

// shown is a picture of a brand as an answer.
type shown struct {
	*branding.Picture
	body io.ReadCloser
}

// VisitGetThemePictureResponse implements api.GetThemePictureResponseObject.
func (p *shown) VisitGetThemePictureResponse(c *fiber.Ctx) error {
	c.Set(fiber.HeaderContentType, p.MIME)
	c.Set(fiber.HeaderETag, `"`+p.Address+`"`)
	c.Set(fiber.HeaderCacheControl, "public, max-age=31536000, immutable")
	c.Set(fiber.HeaderContentSecurityPolicy, "sandbox; default-src 'none'")
	c.Set("Cross-Origin-Resource-Policy", "cross-origin") // letters are read elsewhere
	c.Context().SetBodyStream(p.body, int(p.Bytes))
	return nil
}

func toPicture(p *branding.Picture) *api.Picture {
	if p == nil {
		return nil
	}
	return &api.Picture{Url: branding.PicturePath + p.Address, Type: api.PictureType(p.MIME), Bytes: p.Bytes, Width: p.Width, Height: p.Height}
}
