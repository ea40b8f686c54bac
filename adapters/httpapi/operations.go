package httpapi

import (
	"bytes"
	_ "embed"
	"html/template"
	"net/http"
	"strings"
	"sync"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants/branding"
)

// contractJSON is openapi.yaml as it is served.
//
//go:embed openapi.json
var contractJSON []byte

// pagesHTML are the reference and the pages of codes: nothing from elsewhere,
// and no script within.
//
//go:embed pages.html
var pagesHTML string

var pages = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("pages").Funcs(template.FuncMap{"prose": prose, "picture": func(p *branding.Picture) string { return branding.PicturePath + p.Address }}).Parse(pagesHTML))
})

// pagePolicy allows a page its own style sheet and nothing else.
const pagePolicy = "default-src 'none'; style-src 'self'; img-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// operations are the addresses outside the contract. All are public: they say
// nothing of any tenant.
func (s *surface) operations(app *fiber.App) {
	app.Get("/livez", func(c *fiber.Ctx) error { return c.SendString("ok\n") })
	app.Get("/readyz", s.ready)
	app.Get(askPath, s.askHost)
	app.Get(base+"/openapi.json", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, fiber.MIMEApplicationJSON)
		return c.Send(contractJSON)
	})
	app.Get("/docs", s.reference())
	app.Get("/", func(c *fiber.Ctx) error { return c.Redirect("/docs", fiber.StatusSeeOther) })
	app.Get("/theme.css", s.themeCSS)
	s.links(app)
	app.Get("/docs/docs.js", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, "text/javascript; charset=utf-8")
		return c.Send(docsJS)
	})
	app.Get("/docs/style.css", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, "text/css; charset=utf-8")
		return c.Send(styleCSS)
	})
	app.Get("/errors", func(c *fiber.Ctx) error { return html(c, "codes", sortedCodes()) })
	app.Get("/errors/:code", codePage)
}

// docsJS finds and tries operations on the reference page; docs/reference.md
// says why it is not somebody else's.
//
//go:embed docs.js
var docsJS []byte

//go:embed style.css
var styleCSS []byte

func (s *surface) ready(c *fiber.Ctx) error {
	if s.Ready != nil {
		if err := s.Ready(c.UserContext()); err != nil {
			return fault.New(fault.Unavailable, notReady, "This server is not ready.").Because(err)
		}
	}
	return c.SendString("ready\n")
}

// reference is the contract as a page, written on the first look.
func (s *surface) reference() fiber.Handler {
	page := sync.OnceValues(func() ([]byte, error) {
		doc, err := readContract(contractJSON)
		if err != nil {
			return nil, err
		}
		var out bytes.Buffer
		err = pages().ExecuteTemplate(&out, "reference", doc)
		return out.Bytes(), err
	})
	return func(c *fiber.Ctx) error {
		body, err := page()
		if err != nil {
			return err
		}
		asPage(c)
		c.Set("Content-Security-Policy", formPolicy) // its script calls this origin
		return c.Send(body)
	}
}

func codePage(c *fiber.Ctx) error {
	slug := c.Params("code")
	entry, ok := codes[slug]
	if class, is := classes[fault.Code(slug)]; !ok && is {
		entry, ok = code{slug, fault.Code(slug), class.Title + "."}, true
	}
	if !ok {
		return fault.New(fault.NotFound, "route.not_found", "There is nothing at this address.")
	}
	f := &fault.Error{Code: entry.Class, Reason: entry.Slug}
	return html(c, "code", map[string]any{
		"Code": entry, "Class": classes[entry.Class], "Status": statusOf(f), "Text": http.StatusText(statusOf(f)), "Retryable": retryable(entry.Class),
	})
}

func html(c *fiber.Ctx, name string, data any) error {
	var out bytes.Buffer
	if err := pages().ExecuteTemplate(&out, name, data); err != nil {
		return err
	}
	asPage(c)
	return c.Send(out.Bytes())
}

func asPage(c *fiber.Ctx) {
	c.Set(fiber.HeaderContentType, fiber.MIMETextHTMLCharsetUTF8)
	c.Set("Content-Security-Policy", pagePolicy)
}

// prose sets the little Markdown that descriptions use: paragraphs, **bold**
// and `code`. Everything else is escaped.
func prose(s string) template.HTML {
	var out strings.Builder
	for _, paragraph := range strings.Split(strings.TrimSpace(s), "\n\n") {
		out.WriteString("<p>" + spans(spans(template.HTMLEscapeString(paragraph), "**", "strong"), "`", "code") + "</p>")
	}
	return template.HTML(out.String()) //nolint:gosec // escaped above
}

// spans turns what stands between pairs of mark into an element.
func spans(s, mark, element string) string {
	parts := strings.Split(s, mark)
	if len(parts)%2 == 0 {
		return s
	}
	var out strings.Builder
	for i, p := range parts {
		if i%2 == 1 {
			p = "<" + element + ">" + p + "</" + element + ">"
		}
		out.WriteString(p)
	}
	return out.String()
}
