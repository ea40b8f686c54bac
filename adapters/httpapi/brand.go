package httpapi

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
)

// Brands is what the HTTP surface uses of branding.Service.
type Brands interface {
	Get(ctx context.Context, who tenants.Scope) (own branding.Brand, counts branding.Resolved, err error)
	Set(ctx context.Context, who tenants.Scope, b branding.Brand) (own branding.Brand, counts branding.Resolved, err error)
	Theme(ctx context.Context, tenant tenants.ID) (branding.Theme, error)
	SetPicture(ctx context.Context, who tenants.Scope, kind branding.PictureKind, r io.Reader) (own branding.Brand, counts branding.Resolved, err error)
	RemovePicture(ctx context.Context, who tenants.Scope, kind branding.PictureKind) error
	Picture(ctx context.Context, host tenants.ID, address string) (*branding.Picture, io.ReadCloser, error)
	CheckSender(ctx context.Context, who tenants.Scope, selector string) (*branding.SenderCheck, error)
}

// GetBrand implements GET /brand.
func (s *Server) GetBrand(ctx context.Context, _ api.GetBrandRequestObject) (api.GetBrandResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	own, counts, err := s.Brands.Get(ctx, who)
	if err != nil {
		return nil, err
	}
	etag(ctx, own.Version)
	return api.GetBrand200JSONResponse(toBrand(own, counts)), nil
}

// SetBrand implements PUT /brand.
func (s *Server) SetBrand(ctx context.Context, req api.SetBrandRequestObject) (api.SetBrandResponseObject, error) {
	who, err := tenants.FromContext(ctx)
	if err != nil {
		return nil, err
	}
	own, _, err := s.Brands.Get(ctx, who)
	if err != nil {
		return nil, err
	}
	version, err := basedOn(ctx, own.Version)
	if err != nil {
		return nil, err
	}
	in := req.Body
	own, counts, err := s.Brands.Set(ctx, who, branding.Brand{
		Product: or(in.Product), Support: or(in.Support), Accent: or(in.Accent), Surface: or(in.Surface), Ink: or(in.Ink), Version: version,
		SenderName: or(in.SenderName), Sender: or(in.Sender), ReplyTo: or(in.ReplyTo),
	})
	if err != nil {
		return nil, err
	}
	etag(ctx, own.Version)
	return api.SetBrand200JSONResponse(toBrand(own, counts)), nil
}

func toBrand(own branding.Brand, counts branding.Resolved) api.Brand {
	out := api.Brand{
		Object: api.BrandObjectBrand, Product: counts.Product, Support: some(counts.Support), Accent: counts.Accent, Surface: counts.Surface, Ink: counts.Ink,
		Logo: toPicture(counts.Logo), Favicon: toPicture(counts.Favicon), SenderName: some(counts.SenderName), Sender: some(counts.Sender), ReplyTo: some(counts.ReplyTo),
		Own: api.BrandInput{
			Product: some(own.Product), Support: some(own.Support), Accent: some(own.Accent), Surface: some(own.Surface), Ink: some(own.Ink),
			SenderName: some(own.SenderName), Sender: some(own.Sender), ReplyTo: some(own.ReplyTo),
		},
		Origins: map[string]api.Origin{},
	}
	if counts.Sender != "" {
		out.SenderProven = &counts.SenderProven
	}
	for part, o := range counts.Origins {
		out.Origins[part] = api.Origin{TenantId: string(o.Tenant), Name: o.Name}
	}
	return out
}

// hostTenant is whose the host of a request is; empty for the installation's.
func (s *surface) hostTenant(c *fiber.Ctx) tenants.ID {
	if s.Hosts == nil {
		return ""
	}
	return s.Hosts.Tenant(string(c.Request().Header.Host()))
}

// GetTheme implements GET /theme.
func (s *Server) GetTheme(ctx context.Context, req api.GetThemeRequestObject) (api.GetThemeResponseObject, error) {
	c := exchangeOf(ctx).c
	theme, err := s.Brands.Theme(ctx, s.hostTenant(c))
	if err != nil {
		return nil, err
	}
	out := api.Theme{
		Object: api.ThemeObjectTheme, Product: theme.Product, Support: some(theme.Support), Logo: toPicture(theme.Logo), Favicon: toPicture(theme.Favicon),
		Light: toPalette(theme.Light), Dark: toPalette(theme.Dark),
	}
	raw, err := json.Marshal(out)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	tag := `"` + hex.EncodeToString(sum[:12]) + `"`
	c.Set(fiber.HeaderETag, tag)
	c.Set(fiber.HeaderCacheControl, "public, max-age=60")
	c.Set(fiber.HeaderVary, fiber.HeaderHost)
	if or(req.Params.IfNoneMatch) == tag {
		return api.GetTheme304Response{}, nil
	}
	return api.GetTheme200JSONResponse(out), nil
}

func toPalette(p branding.Palette) api.Palette {
	return api.Palette{
		Surface: p.Surface.String(), Raised: p.Raised.String(), Text: p.Text.String(), Muted: p.Muted.String(), Accent: p.Accent.String(), OnAccent: p.OnAccent.String(),
	}
}
