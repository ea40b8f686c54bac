package httpapi

import (
	_ "embed"

	"github.com/gofiber/fiber/v2"
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
	"/reset-password": {
		Title: "Choose a new password", Target: base + "/auth/password:reset", Token: true, Button: "Set the password", Done: "Done. You can sign in with it now.",
		Fields: []input{{"password", "New password, at least 15 characters", "password", "new-password"}},
	},
}

//go:embed links.js
var linksJS []byte

// formPolicy is pagePolicy and one script, which may call this origin.
const formPolicy = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// links are the pages of forms. They are public: they say nothing of anybody.
func links(app *fiber.App) {
	for path, f := range forms {
		app.Get(path, func(c *fiber.Ctx) error {
			if err := html(c, "form", f); err != nil {
				return err
			}
			c.Set("Content-Security-Policy", formPolicy)
			return nil
		})
	}
	app.Get("/docs/links.js", func(c *fiber.Ctx) error {
		c.Set(fiber.HeaderContentType, "text/javascript; charset=utf-8")
		return c.Send(linksJS)
	})
}
