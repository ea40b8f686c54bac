package httpapi

import (
	"bytes"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/ports/fault"
)

// sound refuses requests that two servers could read as two different ones: a
// proxy before us and we have to agree on where each ends and whom it is for.
// fasthttp refuses most of them, and is lenient about what is left here.
func sound(c *fiber.Ctx) error {
	raw := c.Request().Header.RawHeaders()
	switch proto := string(c.Request().Header.Protocol()); {
	case proto != "HTTP/1.1" && proto != "HTTP/1.0":
		return fault.New(fault.Invalid, "request.malformed", "This server speaks HTTP/1.1.")
	case !linesAreHeaders(raw):
		return fault.New(fault.Invalid, "request.bad_framing", "A line of the headers is none.")
	case count(raw, "content-length")+count(raw, "transfer-encoding") > 1:
		return fault.New(fault.Invalid, "request.bad_framing", "The length of the body is given more than once.")
	case count(raw, "host") > 1:
		return fault.New(fault.Invalid, "request.wrong_host", "The host is given more than once.")
	case bytes.ContainsAny(c.Request().Header.Host(), "@/\\?#, \t<>\""):
		return fault.New(fault.Invalid, "request.wrong_host", "This is not the name of a host.")
	}
	target := string(c.Request().Header.RequestURI())
	if strings.HasPrefix(target, "/") {
		return nil
	}
	u, err := url.Parse(target)
	if err != nil || !strings.EqualFold(u.Host, string(c.Request().Header.Host())) {
		return fault.New(fault.Invalid, "request.wrong_host", "The address and the Host header differ.")
	}
	return nil
}

// linesAreHeaders reports whether each line has a name of its own (RFC 9110,
// 5.6.2), and none goes on in the next one, which was allowed once.
func linesAreHeaders(raw []byte) bool {
	for line := range bytes.Lines(raw) {
		name, _, ok := bytes.Cut(line, []byte(":"))
		if len(bytes.TrimRight(line, "\r\n")) == 0 {
			continue
		}
		if !ok || len(name) == 0 || bytes.ContainsFunc(name, func(r rune) bool { return !tchar(r) }) {
			return false
		}
	}
	return true
}

// tchar is what the name of a header may have in it.
func tchar(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r)
}

// count counts the header lines with name.
func count(raw []byte, name string) (n int) {
	for line := range bytes.Lines(raw) {
		key, _, ok := bytes.Cut(line, []byte(":"))
		if ok && strings.EqualFold(string(bytes.TrimSpace(key)), name) {
			n++
		}
	}
	return n
}
