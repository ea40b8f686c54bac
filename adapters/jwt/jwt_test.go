package jwt_test

import (
	"bytes"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	gojwt "github.com/golang-jwt/jwt/v5"
	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/jwt"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

var (
	noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	keys = vault.New(bytes.Repeat([]byte{1}, vault.KeySize))
)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func sample() identity.Claims {
	return identity.Claims{
		User: tenants.UserID(id.New("usr")), Session: identity.SessionID(id.New("ses")), Expires: noon.Add(identity.AccessTTL),
	}
}

func TestWhatIsSignedIsRead(t *testing.T) {
	s, want := jwt.New(keys.Key(vault.Session), at(noon)), sample()
	token, err := s.Sign(want)
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Read(token.Reveal())
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

// Only who and which session: no role, no tenant, no address.
func TestATokenSaysLittle(t *testing.T) {
	token, err := jwt.New(keys.Key(vault.Session), at(noon)).Sign(sample())
	if err != nil {
		t.Fatal(err)
	}
	body, err := base64.RawURLEncoding.DecodeString(strings.Split(token.Reveal(), ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, field := range strings.Split(string(body), ",") {
		names = append(names, strings.Trim(strings.Split(field, ":")[0], `{"`))
	}
	if diff := cmp.Diff([]string{"sid", "iss", "sub", "aud", "exp"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestRead(t *testing.T) {
	key := keys.Key(vault.Session)
	fields := func(change func(gojwt.MapClaims)) gojwt.MapClaims {
		c := gojwt.MapClaims{"iss": "carillon", "aud": "carillon:api", "sub": id.New("usr"), "sid": id.New("ses"), "exp": noon.Add(time.Minute).Unix()}
		change(c)
		return c
	}
	sign := func(m gojwt.SigningMethod, key any, typ string, c gojwt.MapClaims) string {
		token := gojwt.NewWithClaims(m, c)
		token.Header["typ"] = typ
		s, err := token.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	same := func(gojwt.MapClaims) {}
	set := func(k string, v any) func(gojwt.MapClaims) { return func(c gojwt.MapClaims) { c[k] = v } }
	good := sign(gojwt.SigningMethodHS256, key, "at+jwt", fields(same))

	for name, tc := range map[string]struct {
		token  string
		reason string
	}{
		"good":             {good, ""},
		"empty":            {"", "token.invalid"},
		"garbage":          {"a.b.c", "token.invalid"},
		"unsigned":         {sign(gojwt.SigningMethodNone, gojwt.UnsafeAllowNoneSignatureType, "at+jwt", fields(same)), "token.invalid"},
		"another method":   {sign(gojwt.SigningMethodHS512, key, "at+jwt", fields(same)), "token.invalid"},
		"another type":     {sign(gojwt.SigningMethodHS256, key, "JWT", fields(same)), "token.invalid"},
		"another audience": {sign(gojwt.SigningMethodHS256, key, "at+jwt", fields(set("aud", "carillon:events"))), "token.invalid"},
		"another issuer":   {sign(gojwt.SigningMethodHS256, key, "at+jwt", fields(set("iss", "somebody"))), "token.invalid"},
		"no person":        {sign(gojwt.SigningMethodHS256, key, "at+jwt", fields(set("sub", "root"))), "token.invalid"},
		"no session":       {sign(gojwt.SigningMethodHS256, key, "at+jwt", fields(set("sid", ""))), "token.invalid"},
		"no end":           {sign(gojwt.SigningMethodHS256, key, "at+jwt", fields(func(c gojwt.MapClaims) { delete(c, "exp") })), "token.invalid"},
		"expired":          {sign(gojwt.SigningMethodHS256, key, "at+jwt", fields(set("exp", noon.Add(-time.Second).Unix()))), "token.expired"},
		"cut":              {good[:len(good)-2], "token.invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := jwt.New(key, at(noon)).Read(tc.token)
			if tc.reason == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if f := fault.Of(err); f == nil || f.Code != fault.Unauthenticated || f.Reason != tc.reason {
				t.Errorf("err = %v, want %s", err, tc.reason)
			}
		})
	}
}

// A token signed with the key of any other purpose is noise.
func TestEveryOtherKeyIsNoise(t *testing.T) {
	for _, purpose := range vault.Purposes() {
		token, err := jwt.New(keys.Key(purpose), at(noon)).Sign(sample())
		if err != nil {
			t.Fatal(err)
		}
		_, err = jwt.New(keys.Key(vault.Session), at(noon)).Read(token.Reveal())
		if (err == nil) != (purpose == vault.Session) {
			t.Errorf("%s: err = %v", purpose, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	s := jwt.New(keys.Key(vault.Session), at(noon))
	nought := "_" + strings.Repeat("0", 26) // the same in each of the fuzzer's processes
	token, err := s.Sign(identity.Claims{
		User: tenants.UserID("usr" + nought), Session: identity.SessionID("ses" + nought), Expires: noon.Add(time.Minute),
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(token.Reveal())
	f.Add("eyJhbGciOiJub25lIn0.e30.")
	f.Fuzz(func(t *testing.T, text string) {
		if c, err := s.Read(text); err == nil && text != token.Reveal() {
			t.Errorf("forged %+v", c)
		} else if err != nil && !fault.Is(err, fault.Unauthenticated) {
			t.Errorf("err = %v", err)
		}
	})
}
