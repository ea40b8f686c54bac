// Package totp makes and checks the codes of authenticator apps (RFC 6238):
// six digits, thirty seconds, SHA-1, which is what every app understands.
//
// A code is right for a minute and a half, so whoever checks one must also
// remember the step it was of and take no code of that step or an earlier one
// again (RFC 6238, 5.2): Step says which step that is and remembers nothing.
package totp

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"fmt"
	"image/png"
	"net/url"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// Figures of the codes.
const (
	SecretSize = 20 // bytes: as many as SHA-1 has (RFC 4226, 4)
	Digits     = 6
	Period     = 30 * time.Second
	// skew is how many steps a clock may be off, either way.
	skew = 1
	// side is that of a QR code, in pixels: enough for 200 characters.
	side = 264
)

// Authenticator makes secrets for apps and checks their codes. It is safe for
// concurrent use.
type Authenticator struct{ issuer string }

// New returns an authenticator whose secrets apps show under the name issuer.
func New(issuer string) Authenticator { return Authenticator{issuer} }

// Secret returns SecretSize fresh random bytes.
func (Authenticator) Secret() []byte {
	b := make([]byte, SecretSize)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}

var alphabet = base32.StdEncoding.WithPadding(base32.NoPadding)

// Enrol returns what an app needs to take secret for account: the secret as
// people type it, in groups of four; the same as an otpauth address, and that
// address as a picture (PNG).
func (a Authenticator) Enrol(account string, secret []byte) (typed, uri string, picture []byte, err error) {
	text := alphabet.EncodeToString(secret)
	uri = a.uri(account, text)
	key, err := otp.NewKeyFromURL(uri)
	if err != nil {
		return "", "", nil, fmt.Errorf("totp: %w", err)
	}
	img, err := key.Image(side, side)
	if err != nil {
		return "", "", nil, fmt.Errorf("totp: %w", err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, img); err != nil {
		return "", "", nil, fmt.Errorf("totp: %w", err)
	}
	return grouped(text), uri, out.Bytes(), nil
}

// uri is the address that apps read off a QR code. Spaces are %20: some apps
// show a plus sign as it is.
func (a Authenticator) uri(account, text string) string {
	q := url.Values{
		"secret": {text}, "issuer": {a.issuer}, "algorithm": {"SHA1"}, "digits": {fmt.Sprint(Digits)}, "period": {fmt.Sprint(int(Period.Seconds()))},
	}
	label := url.PathEscape(a.issuer) + ":" + url.PathEscape(account)
	return "otpauth://totp/" + label + "?" + strings.ReplaceAll(q.Encode(), "+", "%20")
}

func grouped(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i += 4 {
		if i > 0 {
			out.WriteByte(' ')
		}
		out.WriteString(text[i:min(i+4, len(text))])
	}
	return out.String()
}

// Step says of which step near now code is, and false if of none. Of two that
// fit it is the later one. Spaces in a code do not count: apps show one.
func (Authenticator) Step(secret []byte, code string, now time.Time) (step int64, ok bool) {
	code = strings.ReplaceAll(code, " ", "")
	if len(code) != Digits || strings.Trim(code, "0123456789") != "" {
		return 0, false
	}
	text, at := alphabet.EncodeToString(secret), now.Unix()/int64(Period.Seconds())
	for s := max(at-skew, 0); s <= at+skew; s++ { // all of them, whichever fits
		right, err := hotp.ValidateCustom(code, uint64(s), text, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && right {
			step, ok = s, true
		}
	}
	return step, ok
}

// Code is what an app that holds secret shows at now, for tests and for a
// command line that plays the app.
func (Authenticator) Code(secret []byte, now time.Time) string {
	code, err := hotp.GenerateCode(alphabet.EncodeToString(secret), uint64(now.Unix())/uint64(Period.Seconds()))
	if err != nil { // the text is base 32: it was encoded just now
		return ""
	}
	return code
}
