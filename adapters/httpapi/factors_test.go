package httpapi_test

import (
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/totp"
	"github.com/carillonhq/carillon/adapters/webauthn/webauthntest"
	"github.com/carillonhq/carillon/ports/id"
)

var base32Text = base32.StdEncoding.WithPadding(base32.NoPadding)

const (
	ourPage = "https://example.com" // where httptest's requests go
	phrase  = "four unrelated words here"
)

// visit is one request of somebody, and its answer.
func (w *world) visit(want int, method, path, bearer, body string) (map[string]any, http.Header) {
	w.t.Helper()
	headers := map[string]string{}
	if bearer != "" {
		headers["Authorization"] = "Bearer " + bearer
	}
	code, header, answer := w.call(method, "/api/v1"+path, headers, body)
	if code != want {
		w.t.Fatalf("%s %s: %d %s", method, path, code, answer)
	}
	if answer == "" {
		return nil, header
	}
	return decode(w.t, answer), header
}

func quoted(format string, args ...any) string {
	for i, a := range args {
		if raw, ok := a.([]byte); ok {
			args[i] = string(raw)
			continue
		}
		b, _ := json.Marshal(a)
		args[i] = string(b)
	}
	return fmt.Sprintf(format, args...)
}

func raw(v any) []byte {
	b, _ := json.Marshal(v)
	return b
}

// enrol gives somebody an authenticator app and returns its secret.
func (w *world) enrol(bearer string) (shared []byte, recovery []any) {
	w.t.Helper()
	made, _ := w.visit(201, "POST", "/me/totp", bearer, "")
	picture, ok := strings.CutPrefix(made["qr"].(string), "data:image/png;base64,")
	if png, err := base64.StdEncoding.DecodeString(picture); !ok || err != nil || !strings.HasPrefix(string(png), "\x89PNG") {
		w.t.Errorf("the picture: %v", err)
	}
	shared = base32Of(w.t, made["secret"].(string))
	done, _ := w.visit(200, "POST", "/me/totp:confirm", bearer, quoted(`{"code":%s}`, totp.New("x").Code(shared, time.Now())))
	return shared, done["recovery_codes"].([]any)
}

// From a password to two factors, and in by each of them.
func TestSecondFactorsOverHTTP(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	email := id.New("usr") + "@example.com"
	w.register(email, phrase)
	login := quoted(`{"email":%s,"password":%s}`, email, phrase)
	in, header := w.visit(200, "POST", "/auth/login", "", login)
	bearer, device := in["access_token"].(string), in["device_token"].(string)
	if cookies := strings.Join(header.Values("Set-Cookie"), "\n"); !strings.Contains(cookies, "carillon_device="+device) ||
		strings.Count(cookies, "HttpOnly; secure; SameSite=Strict") != 2 {
		t.Errorf("%s", cookies)
	}
	shared, recovery := w.enrol(bearer)

	asked, header := w.visit(202, "POST", "/auth/login", "", login)
	if asked["object"] != "challenge" || len(header.Values("Set-Cookie")) != 0 || fmt.Sprint(asked["methods"]) != "[totp recovery]" {
		t.Errorf("%v %v", asked, header)
	}
	code := totp.New("x").Code(shared, time.Now().Add(totp.Period))
	for range 10 { // what was not said is no guess
		if got, _ := w.visit(422, "POST", "/auth/challenge", "", quoted(`{"challenge":%s,"method":"totp"}`, asked["challenge"])); got["code"] != "json.required" {
			t.Fatal(got)
		}
	}
	w.visit(422, "POST", "/auth/challenge", "", quoted(`{"challenge":%s,"method":"totp","code":"000000"}`, asked["challenge"]))
	in, _ = w.visit(200, "POST", "/auth/challenge", "", quoted(`{"challenge":%s,"method":"totp","code":%s,"device_token":%s}`, asked["challenge"], code, device))
	if in["device_token"] != device {
		t.Error("the device was not known again")
	}
	w.visit(401, "POST", "/auth/challenge", "", quoted(`{"challenge":%s,"method":"totp","code":%s}`, asked["challenge"], code))
	asked, _ = w.visit(202, "POST", "/auth/login", "", login)
	w.visit(200, "POST", "/auth/challenge", "", quoted(`{"challenge":%s,"method":"recovery","code":%s}`, asked["challenge"], recovery[0]))
	have, _ := w.visit(200, "GET", "/me/factors", bearer, "")
	if have["recovery_codes_left"] != 9.0 || have["totp"].(map[string]any)["enabled"] != true {
		t.Errorf("%v", have)
	}
}

func TestPasskeysOverHTTP(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	email := id.New("usr") + "@example.com"
	w.register(email, phrase)
	in, _ := w.visit(200, "POST", "/auth/login", "", quoted(`{"email":%s,"password":%s}`, email, phrase))
	bearer := in["access_token"].(string)
	phone := new(webauthntest.Device)
	asked, _ := w.visit(200, "POST", "/me/passkeys:begin", bearer, "")
	said, err := phone.Create(ourPage, raw(asked["public_key"]))
	must(t, err)
	added, _ := w.visit(201, "POST", "/me/passkeys", bearer, quoted(`{"challenge":%s,"name":"Phone","passkey":%s}`, asked["challenge"], said))
	key := added["passkey"].(map[string]any)
	if key["host"] != "example.com" || len(added["recovery_codes"].([]any)) != 10 {
		t.Errorf("%v", added)
	}

	asked, _ = w.visit(200, "POST", "/auth/passkey:begin", "", "")
	said, err = phone.Get(ourPage, raw(asked["public_key"]))
	must(t, err)
	with := quoted(`{"challenge":%s,"passkey":%s}`, asked["challenge"], said)
	in, _ = w.visit(200, "POST", "/auth/passkey", "", with)
	w.visit(401, "POST", "/auth/passkey", "", with)

	// Ten minutes later it has to be shown once more.
	bearer = in["access_token"].(string)
	postgrestest.Exec(t, w.db, "update sessions set authenticated_at = now() - interval '11 minutes' where user_id = $1", in["user_id"])
	at := "/me/passkeys/" + key["id"].(string)
	refused, _ := w.visit(403, "DELETE", at, bearer, "")
	if how, _ := refused["step_up"].(map[string]any); refused["code"] != "stepup.required" || how["finish"] != "/api/v1/auth/step-up" || how["counts_s"] != 600.0 {
		t.Errorf("%v", refused)
	}
	asked, _ = w.visit(200, "POST", "/auth/step-up:begin", bearer, "")
	if fmt.Sprint(asked["methods"]) != "[passkey recovery]" {
		t.Errorf("%v", asked)
	}
	said, err = phone.Get(ourPage, raw(asked["public_key"]))
	must(t, err)
	for range 10 {
		if got, _ := w.visit(422, "POST", "/auth/step-up", bearer, `{"method":"password"}`); got["code"] != "json.required" {
			t.Fatal(got)
		}
	}
	w.visit(200, "POST", "/auth/step-up", bearer, quoted(`{"method":"passkey","challenge":%s,"passkey":%s}`, asked["challenge"], said))

	// Nobody else's it is, whatever they know of it.
	_, stranger := w.person()
	for _, method := range []string{"DELETE", "PATCH"} {
		body := map[string]string{"PATCH": `{"name":"x"}`}[method]
		_, _, real := w.call(method, "/api/v1"+at, map[string]string{"Authorization": "Bearer " + stranger}, body)
		_, _, none := w.call(method, "/api/v1/me/passkeys/"+id.New("pky"), map[string]string{"Authorization": "Bearer " + stranger}, body)
		if real != none || !strings.Contains(real, "not_found") {
			t.Errorf("%s: %s\nbut of nothing: %s", method, real, none)
		}
	}
	w.visit(200, "PATCH", at, bearer, `{"name":"Phone in red"}`)
	w.visit(204, "DELETE", at, bearer, "")
}

// What is made for one door is noise at every other.
func TestTokensOpenTheirOwnDoorOnly(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	email := id.New("usr") + "@example.com"
	w.register(email, phrase)
	in, _ := w.visit(200, "POST", "/auth/login", "", quoted(`{"email":%s,"password":%s}`, email, phrase))
	bearer := in["access_token"].(string)
	begun, _ := w.visit(200, "POST", "/me/passkeys:begin", bearer, "")
	w.enrol(bearer)
	second, _ := w.visit(202, "POST", "/auth/login", "", quoted(`{"email":%s,"password":%s}`, email, phrase))
	whoever, _ := w.visit(200, "POST", "/auth/passkey:begin", "", "")
	again, _ := w.visit(200, "POST", "/auth/step-up:begin", bearer, "")
	tokens := map[string]string{
		"access": bearer, "refresh": in["refresh_token"].(string), "device": in["device_token"].(string), "enrol": begun["challenge"].(string),
		"second": second["challenge"].(string), "passkey": whoever["challenge"].(string), "step-up": again["challenge"].(string),
	}
	key := `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`
	for door, try := range map[string]struct{ method, path, bearer, body, own string }{
		"access":  {"GET", "/me", "%s", "", ""},
		"refresh": {"POST", "/auth/refresh", "", `{"refresh_token":%s}`, ""},
		"second":  {"POST", "/auth/challenge", "", `{"challenge":%s,"method":"totp","code":"000000"}`, "factor.wrong_code"},
		"passkey": {"POST", "/auth/passkey", "", `{"challenge":%s,"passkey":` + key + `}`, "passkey.wrong"},
		"enrol":   {"POST", "/me/passkeys", bearer, `{"challenge":%s,"name":"x","passkey":` + key + `}`, "passkey.wrong"},
		"step-up": {"POST", "/auth/step-up", bearer, `{"method":"passkey","challenge":%s,"passkey":` + key + `}`, "passkey.wrong"},
		"disown":  {"POST", "/auth/session:disown", "", `{"token":%s}`, ""},
		"reset":   {"POST", "/auth/password:reset", "", `{"token":%s,"password":"another four unrelated words"}`, ""},
		"verify":  {"POST", "/auth/verify", "", `{"token":%s,"password":"x"}`, ""},
	} {
		for name, token := range tokens {
			if name == door && try.own == "" {
				continue
			}
			headers := map[string]string{}
			if b := strings.ReplaceAll(try.bearer, "%s", token); b != "" {
				headers["Authorization"] = "Bearer " + b
			}
			body := try.body
			if strings.Contains(body, "%s") {
				body = quoted(body, token)
			}
			code, _, answer := w.call(try.method, "/api/v1"+try.path, headers, body)
			own := try.own != "" && strings.Contains(answer, `"`+try.own+`"`)
			if code < 400 || code >= 500 || own != (name == door) {
				t.Errorf("%s at %s: %d %s", name, door, code, answer)
			}
		}
	}
}

func base32Of(t testing.TB, typed string) []byte {
	t.Helper()
	out, err := base32Text.DecodeString(strings.ReplaceAll(typed, " ", ""))
	must(t, err)
	return out
}
