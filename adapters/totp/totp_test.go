package totp_test

import (
	"bytes"
	"image/png"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/totp"
)

// The vectors of RFC 6238, appendix B, cut to six digits.
func TestCodesAreThoseOfTheRFC(t *testing.T) {
	app, secret := totp.New("Carillon"), []byte("12345678901234567890")
	for at, code := range map[int64]string{
		59: "287082", 1111111109: "081804", 1111111111: "050471", 1234567890: "005924", 2000000000: "279037", 20000000000: "353130",
	} {
		if got := app.Code(secret, time.Unix(at, 0)); got != code {
			t.Errorf("at %d: %s, want %s", at, got, code)
		}
		if step, ok := app.Step(secret, code, time.Unix(at, 0)); !ok || step != at/30 {
			t.Errorf("at %d: step %d, %v", at, step, ok)
		}
	}
}

func TestStep(t *testing.T) {
	app, secret := totp.New("Carillon"), []byte("12345678901234567890")
	noon := time.Unix(1111111110, 0) // the first second of its step
	code := app.Code(secret, noon)
	for name, tc := range map[string]struct {
		code string
		at   time.Time
		ok   bool
	}{
		"now":                 {code, noon, true},
		"with a space":        {code[:3] + " " + code[3:], noon, true},
		"a slow clock":        {code, noon.Add(59 * time.Second), true},
		"a fast clock":        {code, noon.Add(-30 * time.Second), true},
		"long past":           {code, noon.Add(60 * time.Second), false},
		"not yet":             {code, noon.Add(-31 * time.Second), false},
		"five digits":         {code[:5], noon, false},
		"seven digits":        {code + "0", noon, false},
		"letters":             {"abcdef", noon, false},
		"digits of elsewhere": {"٠٥٠٤٧١", noon, false},
		"nothing":             {"", noon, false},
	} {
		step, ok := app.Step(secret, tc.code, tc.at)
		if ok != tc.ok || ok && step != noon.Unix()/30 {
			t.Errorf("%s: step %d, %v", name, step, ok)
		}
	}
}

func TestEnrol(t *testing.T) {
	app := totp.New("Ding & Dong")
	secret := app.Secret()
	if len(secret) != totp.SecretSize || bytes.Equal(secret, app.Secret()) {
		t.Fatal("not a fresh secret")
	}
	typed, uri, picture, err := app.Enrol("ann+x@example.test", secret)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/Ding & Dong:ann+x@example.test" || strings.Contains(uri, "+x@example.test&") {
		t.Errorf("%s, %v", uri, err)
	}
	if q := u.Query(); q.Get("secret") != strings.ReplaceAll(typed, " ", "") || q.Get("issuer") != "Ding & Dong" || q.Get("digits") != "6" || q.Get("period") != "30" {
		t.Errorf("%s", uri)
	}
	img, err := png.Decode(bytes.NewReader(picture))
	if err != nil || img.Bounds().Dx() < 200 {
		t.Errorf("the picture: %v", err)
	}
}

func FuzzStep(f *testing.F) {
	app, secret := totp.New("Carillon"), []byte("12345678901234567890")
	f.Add("287082", int64(59))
	f.Add("", int64(-1))
	f.Fuzz(func(t *testing.T, code string, at int64) {
		at %= 1 << 40
		step, ok := app.Step(secret, code, time.Unix(at, 0))
		if ok && app.Code(secret, time.Unix(step*30, 0)) != strings.ReplaceAll(code, " ", "") {
			t.Errorf("%q at %d was taken for step %d", code, at, step)
		}
	})
}
