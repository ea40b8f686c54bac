// Package branding decides what a tenant looks like to its people.
//
// A brand is a name, a few colours, a logo, an address for support and what
// letters say they are from (sender.go). A reseller has one, and so has an agency on the largest plan;
// each thing that a brand leaves out is that of the nearest tenant above that
// says it, and every answer names whose it is. Nobody learns more of those
// above than that.
//
// Colours are what people like, and pages have to be read: Theme moves each as
// little as it takes (palette.go). Start with Service.
package branding

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
	"github.com/carillonhq/carillon/tenants/domains"
	"github.com/carillonhq/carillon/tenants/letters"
)

// What a member may be allowed to do here.
const (
	ActRead   tenants.Action = "brand.read"
	ActManage tenants.Action = "brand.manage"
)

// A Brand is what one tenant says of itself. What is empty comes from above.
type Brand struct {
	Product string // its name
	Support string // a mail address
	Accent  string // "#rrggbb", as are the others
	Surface string
	Ink     string
	Logo    *Picture
	Favicon *Picture

	SenderName string // who letters are from, for people; empty: Product
	Sender     string // their address; it is used while its host is proven
	ReplyTo    string // where answers go

	Version   int // 0: it has none
	UpdatedAt time.Time
}

// maxProduct is how long a name may be, in characters.
const maxProduct = 60

// Check holds the invariants. Every save runs it. It names everything that is
// wrong, in the order of the fields.
func (b *Brand) Check() error {
	var all []fault.Violation
	refuse := func(field, reason, format string, args ...any) {
		all = append(all, fault.Violation{Field: field, Reason: reason, Message: fmt.Sprintf(format, args...)})
	}
	if n := utf8.RuneCountInString(b.Product); n > maxProduct || !utf8.ValidString(b.Product) || strings.ContainsFunc(b.Product, unicode.IsControl) || strings.TrimSpace(b.Product) != b.Product {
		refuse("/product", "brand.product", "A name has at most %d characters, all of them printable.", maxProduct)
	}
	if n := b.SenderName; utf8.RuneCountInString(n) > maxProduct || letters.Plain(n) != n {
		refuse("/sender_name", "brand.sender_name", "A sender has at most %d letters, digits, spaces and & ' - ,.", maxProduct)
	}
	for _, at := range []struct{ field, value string }{{"/support", b.Support}, {"/sender", b.Sender}, {"/reply_to", b.ReplyTo}} {
		if !address(at.value) {
			refuse(at.field, "brand.address", "This is no mail address.")
		}
	}
	for _, at := range []struct{ field, value string }{{"/accent", b.Accent}, {"/surface", b.Surface}, {"/ink", b.Ink}} {
		if _, ok := ParseColor(at.value); at.value != "" && !ok {
			refuse(at.field, "brand.color", "A colour is written #rrggbb.")
		}
	}
	return fault.Check(all)
}

// address reports whether s is empty or can be a mail address.
func address(s string) bool {
	if s == "" {
		return true
	}
	local, host, ok := strings.Cut(s, "@")
	strange := func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`"'<>()[]\,;:@`, r) }
	return ok && local != "" && len(s) <= 254 && strings.Contains(host, ".") && !strings.ContainsFunc(local+host, strange)
}

// A Layer is what one tenant on the way up says.
type Layer struct {
	Tenant tenants.ID
	Name   string
	Brand
	SenderProven bool // the host of its Sender, or one above it, is proven to be the tenant's
}

// Origin is whose a value is. The zero Origin is the product's own.
type Origin struct {
	Tenant tenants.ID
	Name   string
}

// Resolved is a brand with nothing left out.
type Resolved struct {
	Brand
	Origins      map[string]Origin // by the name of the field, such as "product"
	SenderProven bool              // Sender may be used
}

// Resolve takes each thing from the first of layers that says it, nearest
// first, and else from the product.
func Resolve(layers []Layer, product Brand) Resolved {
	r := Resolved{Brand: product, Origins: map[string]Origin{}}
	for name, field := range map[string]func(*Brand) *string{
		"product": func(b *Brand) *string { return &b.Product }, "support": func(b *Brand) *string { return &b.Support },
		"accent": func(b *Brand) *string { return &b.Accent }, "surface": func(b *Brand) *string { return &b.Surface },
		"ink": func(b *Brand) *string { return &b.Ink }, "sender_name": func(b *Brand) *string { return &b.SenderName },
		"sender": func(b *Brand) *string { return &b.Sender }, "reply_to": func(b *Brand) *string { return &b.ReplyTo },
	} {
		for i := range layers {
			if said := *field(&layers[i].Brand); said != "" {
				*field(&r.Brand) = said
				r.Origins[name] = Origin{layers[i].Tenant, layers[i].Name}
				r.SenderProven = r.SenderProven || name == "sender" && layers[i].SenderProven
				break
			}
		}
	}
	for kind := range fits {
		for i := range layers {
			if pic := *layers[i].picture(kind); pic != nil {
				*r.picture(kind) = pic
				r.Origins[string(kind)] = Origin{layers[i].Tenant, layers[i].Name}
				break
			}
		}
	}
	return r
}

// A Theme is how pages look: a brand with its colours made legible.
type Theme struct {
	Product, Support string
	Logo, Favicon    *Picture
	Light, Dark      Palette
}

// Theme makes r's colours legible.
func (r Resolved) Theme() Theme {
	color := func(s string) Color { c, _ := ParseColor(s); return c }
	accent, surface, ink := color(r.Accent), color(r.Surface), color(r.Ink)
	return Theme{r.Product, r.Support, r.Logo, r.Favicon, Light(accent, surface, ink), Dark(accent, surface, ink)}
}

// Store keeps brands.
type Store interface {
	// Layers returns what tenant and those above it say, nearest first, without
	// those that say nothing. For none there is no layer.
	Layers(ctx context.Context, tenant tenants.ID) ([]Layer, error)
	// Save writes b over the version it has, records e and has the pictures that
	// are gone tidied up. It returns fault.Conflict if somebody else wrote
	// meanwhile.
	Save(ctx context.Context, tenant tenants.ID, b *Brand, gone []string, e audit.Entry) error
	// Tidy has Service.Tidy run for a picture, in some time.
	Tidy(ctx context.Context, tenant tenants.ID, picture string, in time.Duration) error
	// Picture finds a picture by its address, if host is empty or its tenant is
	// host, or above or below it. It returns NoPicture otherwise.
	Picture(ctx context.Context, host tenants.ID, address string) (tenants.ID, *Picture, error)
}

// Deps are what New needs; every field is required.
type Deps struct {
	Store    Store
	Images   Images
	Blobs    storage.Blobs
	Resolver domains.Resolver
	Authz    tenants.Authorizer
	// Product is what holds where nobody says more, and leaves out nothing but
	// addresses and pictures.
	Product Brand
	Now     func() time.Time
}

// Service is the use cases of brands. It is safe for concurrent use.
type Service struct{ Deps }

// New returns a Service.
func New(d Deps) *Service { return &Service{d} }

// Get returns who's tenant's brand: what it says itself, and what counts.
func (s *Service) Get(ctx context.Context, who tenants.Scope) (own Brand, counts Resolved, err error) {
	if err := s.Authz.Allow(ctx, who, ActRead); err != nil {
		return own, counts, err
	}
	return s.read(ctx, who.Tenant)
}

func (s *Service) read(ctx context.Context, tenant tenants.ID) (own Brand, counts Resolved, err error) {
	layers, err := s.Store.Layers(ctx, tenant)
	if len(layers) > 0 && layers[0].Tenant == tenant {
		own = layers[0].Brand
	}
	return own, Resolve(layers, s.Product), err
}

// Set writes who's tenant's brand, all of it but its pictures. b.Version is the one it is based
// on.
func (s *Service) Set(ctx context.Context, who tenants.Scope, b Brand) (own Brand, counts Resolved, err error) {
	if err := s.Authz.Allow(ctx, who, ActManage); err != nil {
		return own, counts, err
	}
	if err := domains.Entitled(who); err != nil {
		return own, counts, err
	}
	if err := b.Check(); err != nil {
		return own, counts, err
	}
	if own, _, err = s.read(ctx, who.Tenant); err != nil {
		return own, counts, err
	}
	b.Logo, b.Favicon, b.UpdatedAt = own.Logo, own.Favicon, s.Now()
	if err := s.Store.Save(ctx, who.Tenant, &b, nil, audit.By(who, "brand.set", string(who.Tenant))); err != nil {
		return own, counts, err
	}
	return s.read(ctx, who.Tenant)
}

// Theme is how the pages of a tenant's host look; without a tenant, those of
// the installation.
func (s *Service) Theme(ctx context.Context, tenant tenants.ID) (Theme, error) {
	if tenant == "" {
		return Resolve(nil, s.Product).Theme(), nil
	}
	_, counts, err := s.read(ctx, tenant)
	return counts.Theme(), err
}

// Product is the brand of an installation that has no other.
var Product = Brand{Product: "Carillon", Accent: "#0a5ea8", Surface: "#ffffff", Ink: "#16181d"}
