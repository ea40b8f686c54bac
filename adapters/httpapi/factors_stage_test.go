package httpapi_test

import (
	"crypto/sha256"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/totp"
	"github.com/carillonhq/carillon/adapters/webauthn/webauthntest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/id"
)

func appWaits(s *stage) {
	made, _ := s.visit(201, "POST", "/me/totp", s.token, "")
	s.body = quoted(`{"code":%s}`, totp.New("x").Code(base32Of(s.t, made["secret"].(string)), time.Now()))
}

func appCounts(s *stage) { s.enrol(s.token) }

// made is the body that adds a passkey of a device.
func (s *stage) made(d *webauthntest.Device) string {
	asked, _ := s.visit(200, "POST", "/me/passkeys:begin", s.token, "")
	said, err := d.Create(ourPage, raw(asked["public_key"]))
	must(s.t, err)
	return quoted(`{"challenge":%s,"name":"Phone","passkey":%s}`, asked["challenge"], said)
}

// without takes the passkey away that nothing can answer for.
func (s *stage) without() {
	postgrestest.Exec(s.t, s.db, "delete from passkeys where user_id = $1", s.owner)
}

func passkeyMade(s *stage) {
	s.without()
	s.body = s.made(new(webauthntest.Device))
}

func passkeyShown(s *stage) {
	s.without()
	phone := new(webauthntest.Device)
	s.visit(201, "POST", "/me/passkeys", s.token, s.made(phone))
	asked, _ := s.visit(200, "POST", "/auth/passkey:begin", "", "")
	said, err := phone.Get(ourPage, raw(asked["public_key"]))
	must(s.t, err)
	s.body = quoted(`{"challenge":%s,"passkey":%s}`, asked["challenge"], said)
}

func secondAsked(s *stage) {
	email := id.New("usr") + "@example.com"
	s.register(email, phrase)
	login := quoted(`{"email":%s,"password":%s}`, email, phrase)
	in, _ := s.visit(200, "POST", "/auth/login", "", login)
	_, recovery := s.enrol(in["access_token"].(string))
	asked, _ := s.visit(202, "POST", "/auth/login", "", login)
	s.body = quoted(`{"challenge":%s,"method":"recovery","code":%s}`, asked["challenge"], recovery[0])
}

func passwordAlone(s *stage) { s.without() }

func disowned(s *stage) {
	token := "cds_" + "0123456789abcdefghjkmnpqrstvwxyz0123456789abcdefghjk"
	must(s.t, s.db.Identity().Update(s.t.Context(), func(tx identity.Tx) error {
		return tx.AddOneTime(s.t.Context(), &identity.OneTime{
			Hash: sha256.Sum256([]byte(token)), Purpose: identity.ForDisown, Subject: s.names["session"], ExpiresAt: time.Now().Add(time.Hour),
		})
	}))
	s.body = quoted(`{"token":%s}`, token)
}
