package catalog

import (
	"testing"

	"github.com/carillonhq/carillon/ports/social"
)

// Whatever changes in how people sign in is a change that somebody approves.
func TestSignInsAreComparedWhole(t *testing.T) {
	one := func() social.Auth {
		return social.Auth{Kind: social.AuthOAuth2, Form: []byte("{}"), OAuth2: &social.OAuth2{AuthorizeURL: "a", TokenURL: "b", RevokeURL: "c", RegisterURL: "d", AuthorizeParams: map[string]string{"x": "y"}}}
	}
	if !sameAuth(one(), one()) || !sameAuth(social.Auth{}, social.Auth{}) {
		t.Error("the same is not the same")
	}
	for name, change := range map[string]func(*social.Auth){
		"kind": func(a *social.Auth) { a.Kind = social.AuthForm }, "form": func(a *social.Auth) { a.Form = []byte("{ }") }, "no OAuth": func(a *social.Auth) { a.OAuth2 = nil },
		"authorize": func(a *social.Auth) { a.OAuth2.AuthorizeURL = "" }, "token": func(a *social.Auth) { a.OAuth2.TokenURL = "" },
		"revoke": func(a *social.Auth) { a.OAuth2.RevokeURL = "" }, "register": func(a *social.Auth) { a.OAuth2.RegisterURL = "" },
		"parameters": func(a *social.Auth) { a.OAuth2.AuthorizeParams = nil }, "PKCE": func(a *social.Auth) { a.OAuth2.PKCE = !a.OAuth2.PKCE },
		"basic": func(a *social.Auth) { a.OAuth2.BasicClientAuth = true }, "refresh": func(a *social.Auth) { a.OAuth2.SingleUseRefresh = true },
	} {
		b := one()
		if change(&b); sameAuth(one(), b) || sameAuth(b, one()) {
			t.Errorf("%s: it changed, and is the same", name)
		}
	}
}
