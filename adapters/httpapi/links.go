package httpapi

import (
	_ "embed"
	"fmt"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/tenants/branding"
)

// A form is where a link in a letter leads: a page that asks for what the
// letter cannot know and sends it, with the token that stands behind the # and
// so never reaches a server's log.
type form struct {
	Title, Advice string
	Target        string // the operation that takes it
	Token         bool   // it comes with one
	Fields        []input
	Button, Done  string
	Script        string // one more script; none if empty
}

type input struct{ Name, Label, Type, Complete string }

// forms are the pages that letters lead to, until there is a web app.
var forms = map[string]form{
	"/register": {
		Title: "Register", Target: base + "/auth/register", Button: "Register", Done: "Thank you. Follow the link in the mail that is on its way.",
		Fields: []input{{"email", "E-mail address", "email", "email"}, {"name", "Name", "text", "name"}, {"password", "Password, at least 15 characters", "password", "new-password"}},
	},
	"/verify-email": {
		Title: "Confirm your e-mail address", Target: base + "/auth/verify", Token: true, Button: "Confirm", Done: "Confirmed. You can sign in now.",
		Advice: "Give the password you chose when you registered. If you did not register, close this page: nothing happens without the password.",
		Fields: []input{{"password", "Password", "password", "current-password"}},
	},
	"/join": {
		Title: "You are invited", Target: base + "/invitations:register", Token: true, Button: "Accept", Done: "Welcome. You can sign in now.",
		Advice: "Choose a name and a password for a new account with the address that the letter went to. If that address has an account, sign in with it and accept there.",
		Fields: []input{{"name", "Name", "text", "name"}, {"password", "Password, at least 15 characters", "password", "new-password"}},
	},
	"/login": {
		Title: "Sign in", Target: base + "/auth/login", Button: "Sign in", Done: "You are signed in.", Script: signInScript,
		Fields: []input{{"email", "E-mail address", "email", "username"}, {"password", "Password", "password", "current-password"}},
	},
	"/not-me": {
		Title: "It was not me", Target: base + "/auth/session:disown", Token: true, Button: "Sign that device out",
		Done:   "That device is signed out. Choose a new password now: whoever it was may know yours.",
		Advice: "Somebody signed in to your account on a device that was not known. If that was not you, sign the device out.",
	},
	"/operator-password": {
		Title: "Choose an operator's password", Target: base + "/operator/auth/password", Token: true, Button: "Set the password", Done: "Done. Signing in asks for a code of your authenticator app too: the first time you are given the secret for it.",
		Fields: []input{{"password", "New password, at least 15 characters", "password", "new-password"}},
	},
	"/reset-password": {
		Title: "Choose a new password", Target: base + "/auth/password:reset", Token: true, Button: "Set the password", Done: "Done. You can sign in with it now.",
		Fields: []input{{"password", "New password, at least 15 characters", "password", "new-password"}},
	},
}

//go:embed links.js
var linksJS []byte

//go:embed sign-in.js
var signInJS []byte

const signInScript = "/docs/sign-in.js"

// SignInPath is where a provider sends people back to, with its name added.
const SignInPath = "/sign-in/"

// formPolicy is pagePolicy and one script, which may call this origin.
const formPolicy = "default-src 'none'; style-src 'self'; img-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// links are the pages of forms, as the brand of the host looks. They are public:
// they say nothing of anybody.
func (s *surface) links(app *fiber.App) {
	for path, f := range forms {
		app.Get(path, func(c *fiber.Ctx) error { return s.formPage(c, "form", f.Title, f) })
	}
	app.Get(SignInPath+":provider", func(c *fiber.Ctx) error {
		name := c.Params("provider")
		return s.formPage(c, "returned", "Sign in", map[string]string{"Target": base + "/auth/providers/" + name + ":finish", "Provider": name, "Script": signInScript})
	})
	for path, source := range map[string][]byte{"/docs/links.js": linksJS, signInScript: signInJS} {
		app.Get(path, func(c *fiber.Ctx) error {
			c.Set(fiber.HeaderContentType, "text/javascript; charset=utf-8")
			return c.Send(source)
		})
	}
}

func (s *surface) formPage(c *fiber.Ctx, name, title string, data any) error {
	if err := s.branded(c, name, title, data); err != nil {
		return err
	}
	c.Set("Content-Security-Policy", formPolicy)
	return nil
}

// A view is a page under the brand of its host.
type view struct {
	Title string
	Look  branding.Theme
	Of    any
}

// branded answers a page as the brand of the host looks.
func (s *surface) branded(c *fiber.Ctx, name, title string, data any) error {
	look, err := s.look(c)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderVary, fiber.HeaderHost)
	return html(c, name, view{title, look, data})
}

// look is the theme of the host.
func (s *surface) look(c *fiber.Ctx) (branding.Theme, error) {
	if s.Looks == nil {
		return branding.Resolve(nil, branding.Product).Theme(), nil
	}
	return s.Looks.Theme(c.UserContext(), s.hostTenant(c))
}

// themeCSS is the colours of the host as a style sheet: pages have no styles of
// their own within.
func (s *surface) themeCSS(c *fiber.Ctx) error {
	look, err := s.look(c)
	if err != nil {
		return err
	}
	c.Set(fiber.HeaderContentType, "text/css; charset=utf-8")
	c.Set(fiber.HeaderCacheControl, "public, max-age=60")
	c.Set(fiber.HeaderVary, fiber.HeaderHost)
	return c.SendString(":root{" + variables(look.Light) + "}\n@media (prefers-color-scheme: dark){:root{" + variables(look.Dark) + "}}\n")
}

// variables are a palette as custom properties. A colour is digits alone.
func variables(p branding.Palette) string {
	return fmt.Sprintf("--surface:%s;--raised:%s;--text:%s;--muted:%s;--accent:%s;--on-accent:%s", p.Surface, p.Raised, p.Text, p.Muted, p.Accent, p.OnAccent)
}
