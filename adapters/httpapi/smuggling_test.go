package httpapi

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
)

// answers sends bytes as they are and reads answers until the server hangs up.
// For each it has the status, and at last how it ended.
func answers(t *testing.T, addr, request string) (all []int) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close() // a test
	_ = conn.SetDeadline(time.Now().Add(20 * time.Second))
	go io.WriteString(conn, request) // the server may hang up first
	for r := bufio.NewReader(conn); ; {
		res, err := http.ReadResponse(r, nil)
		if err != nil {
			if ne, ok := err.(net.Error); ok && ne.Timeout() { //nolint:errorlint // as it comes off the socket
				t.Errorf("it is still open after %v", all)
			}
			return all
		}
		_, _ = io.Copy(io.Discard, res.Body)
		all = append(all, res.StatusCode)
	}
}

// The second request of each row, hidden in what the first might leave behind.
// It opens a route that only these tests have.
const hidden = "GET /api/v1/test/hidden HTTP/1.1\r\nHost: h\r\n\r\n"

// poisons are requests that two servers could read as two different ones, or
// that no server should read at all.
var poisons = map[string]string{
	"length and chunks":               post("Content-Length: 4\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + hidden,
	"chunks and length":               post("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n") + "0\r\n\r\n" + hidden,
	"length and chunks, other case":   post("content-length: 4\r\ntRANSFER-eNCODING: chunked\r\n") + "0\r\n\r\n" + hidden,
	"two codings":                     post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + hidden,
	"two codings, one of them none":   post("Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n") + "0\r\n\r\n" + hidden,
	"a list of codings":               post("Transfer-Encoding: gzip, chunked\r\n") + "0\r\n\r\n" + hidden,
	"chunked is not the last":         post("Transfer-Encoding: chunked, identity\r\n") + "0\r\n\r\n" + hidden,
	"a coding nobody knows":           post("Transfer-Encoding: xchunked\r\n") + "0\r\n\r\n" + hidden,
	"a coding in quotes":              post("Transfer-Encoding: \"chunked\"\r\n") + "0\r\n\r\n" + hidden,
	"a coding with a vertical tab":    post("Transfer-Encoding: \x0bchunked\r\n") + "0\r\n\r\n" + hidden,
	"a coding on the next line":       post("Transfer-Encoding:\r\n chunked\r\n") + "0\r\n\r\n" + hidden,
	"an empty coding":                 post("Transfer-Encoding:\r\nContent-Length: 5\r\n") + "0\r\n\r\n" + hidden,
	"a space before the colon":        post("Transfer-Encoding : chunked\r\n") + "0\r\n\r\n" + hidden,
	"a tab before the colon":          post("Content-Length\t: 44\r\n") + hidden,
	"two equal lengths":               post("Content-Length: 5\r\nContent-Length: 5\r\n") + "12345" + hidden,
	"two lengths":                     post("Content-Length: 0\r\nContent-Length: 44\r\n") + hidden,
	"a list of lengths":               post("Content-Length: 5, 5\r\n") + "12345" + hidden,
	"a negative length":               post("Content-Length: -1\r\n") + hidden,
	"a length with a plus":            post("Content-Length: +5\r\n") + "12345" + hidden,
	"a length in hexadecimal":         post("Content-Length: 0x5\r\n") + "12345" + hidden,
	"a length with an underscore":     post("Content-Length: 4_4\r\n") + hidden,
	"a fraction of a length":          post("Content-Length: 5.0\r\n") + "12345" + hidden,
	"a length of another script":      post("Content-Length: ٥\r\n") + "12345" + hidden,
	"a length beyond all numbers":     post("Content-Length: 99999999999999999999\r\n") + hidden,
	"a length that wraps around":      post("Content-Length: 18446744073709551616\r\n") + hidden,
	"a length with text":              post("Content-Length: 5a\r\n") + "12345" + hidden,
	"no length":                       post("Content-Length:\r\n") + hidden,
	"a folded header":                 post("X-A: b\r\n Content-Length: 44\r\n") + hidden,
	"a header folded by a tab":        post("X-A: b\r\n\tTransfer-Encoding: chunked\r\n") + "0\r\n\r\n" + hidden,
	"a line feed alone":               "POST /api/v1/test/open HTTP/1.1\nHost: h\nContent-Length: 44\n\n" + hidden,
	"one line feed alone":             post("X-A: b\nContent-Length: 44\r\n") + hidden,
	"a carriage return alone":         post("X-A: b\rContent-Length: 44\r\n") + hidden,
	"a nul in a header":               post("X-A: b\x00c\r\n") + hidden,
	"a nul in a name":                 post("X\x00A: b\r\n") + hidden,
	"no colon":                        post("X-A\r\n") + hidden,
	"no name":                         post(": b\r\n") + hidden,
	"a space in a name":               post("X A: b\r\n") + hidden,
	"a line before the headers":       "POST /api/v1/test/open HTTP/1.1\r\n Host: h\r\nHost: h\r\n\r\n" + hidden,
	"chunk sizes below nothing":       chunks("-5\r\n12345\r\n0\r\n\r\n") + hidden,
	"chunk sizes with a prefix":       chunks("0x5\r\n12345\r\n0\r\n\r\n") + hidden,
	"chunk sizes beyond all numbers":  chunks("ffffffffffffffffff\r\n12345\r\n0\r\n\r\n") + hidden,
	"a chunk longer than it says":     chunks("3\r\n12345\r\n0\r\n\r\n") + hidden,
	"a chunk without its end":         chunks("5\r\n123450\r\n\r\n") + hidden,
	"a chunk size that ends in a CR":  chunks("5\r12345\r\n0\r\n\r\n") + hidden,
	"an extension with a line feed":   chunks("5;a=b\nc\r\n12345\r\n0\r\n\r\n") + hidden,
	"no size at all":                  chunks("\r\n12345\r\n0\r\n\r\n") + hidden,
	"an upload with a longer chunk":   "POST /api/v1/test/upload HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n12345\r\n0\r\n\r\n" + hidden,
	"a trailer that is a length":      chunks("5\r\n12345\r\n0\r\nContent-Length: 44\r\n\r\n"),
	"two hosts":                       "GET /api/v1/test/open HTTP/1.1\r\nHost: h\r\nHost: evil\r\n\r\n" + hidden,
	"two equal hosts":                 "GET /api/v1/test/open HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n" + hidden,
	"no host":                         "GET /api/v1/test/open HTTP/1.1\r\n\r\n" + hidden,
	"an empty host":                   "GET /api/v1/test/open HTTP/1.1\r\nHost:\r\n\r\n" + hidden,
	"a host with a path":              "GET /api/v1/test/open HTTP/1.1\r\nHost: h/evil\r\n\r\n" + hidden,
	"a host with a user":              "GET /api/v1/test/open HTTP/1.1\r\nHost: h@evil\r\n\r\n" + hidden,
	"a host with a space":             "GET /api/v1/test/open HTTP/1.1\r\nHost: h evil\r\n\r\n" + hidden,
	"a list of hosts":                 "GET /api/v1/test/open HTTP/1.1\r\nHost: h, evil\r\n\r\n" + hidden,
	"an absolute address elsewhere":   "GET http://evil/api/v1/test/open HTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"an address with a user":          "GET http://h@evil/api/v1/test/open HTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"an authority alone":              "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n" + hidden,
	"an asterisk":                     "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"a relative address":              "GET api/v1/test/open HTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"no version":                      "GET /api/v1/test/open\r\n\r\n" + hidden,
	"a version that is none":          "GET /api/v1/test/open HTTP/1.1x\r\nHost: h\r\n\r\n" + hidden,
	"a version of another protocol":   "GET /api/v1/test/open ICY/1.1\r\nHost: h\r\n\r\n" + hidden,
	"the version after next":          "GET /api/v1/test/open HTTP/3.0\r\nHost: h\r\n\r\n" + hidden,
	"HTTP/2 without being asked":      "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + hidden,
	"two spaces":                      "GET  /api/v1/test/open HTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"a tab for a space":               "GET\t/api/v1/test/open\tHTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"a space in the address":          "GET /api/v1/test/open x HTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"a method that is none":           "GE(T /api/v1/test/open HTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"a method nobody knows":           "FETCH /api/v1/test/open HTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"a handshake of TLS":              "\x16\x03\x01\x00\xa5\x01\x00\x00\xa1\x03\x03" + strings.Repeat("\x00", 40) + "\r\n\r\n" + hidden,
	"headers without end":             "GET /api/v1/test/open HTTP/1.1\r\nHost: h\r\nX-A: " + strings.Repeat("a", 1<<20) + "\r\n\r\n" + hidden,
	"many headers":                    "GET /api/v1/test/open HTTP/1.1\r\nHost: h\r\n" + strings.Repeat("X-A: b\r\n", 10_000) + "\r\n" + hidden,
	"an address without end":          "GET /api/v1/test/open?" + strings.Repeat("a", 1<<20) + " HTTP/1.1\r\nHost: h\r\n\r\n" + hidden,
	"a body that is too large":        post("Content-Type: application/json\r\nAuthorization: Bearer key\r\nContent-Length: 20000000\r\n") + hidden,
	"a body nobody is let in with":    "POST /api/v1/test/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000\r\n\r\n" + strings.Repeat("x", 600_000) + "\r\n\r\n" + hidden,
	"an upgrade to HTTP/2 with chunk": post("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\nTransfer-Encoding: chunked, chunked\r\n") + "0\r\n\r\n" + hidden,
}

func post(headers string) string {
	return "POST /api/v1/test/open HTTP/1.1\r\nHost: h\r\n" + headers + "\r\n"
}

func chunks(body string) string {
	return post("Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n") + body
}

// smuggled serves a route that is asked, and counts how often the hidden one is.
func smuggled(t *testing.T) (addr string, hits *atomic.Int64) {
	t.Helper()
	hits = new(atomic.Int64)
	addr = serve(t, testConfig(), echoRoute,
		api.Route{Method: "POST", Path: "/test/open", Operation: "Open", Public: "test", Handler: echo},
		api.Route{Method: "GET", Path: "/test/open", Operation: "Open", Public: "test", Handler: echo},
		api.Route{Method: "POST", Path: "/test/upload", Operation: "Upload", Public: "test", Stream: true, Handler: func(c *fiber.Ctx) error {
			_, err := io.Copy(io.Discard, api.BodyStream(c))
			return err
		}},
		api.Route{Method: "GET", Path: "/test/hidden", Operation: "Hidden", Public: "test", Handler: func(c *fiber.Ctx) error {
			hits.Add(1)
			return c.SendString("hidden")
		}},
	)
	return addr, hits
}

// A request that two servers could read as two different ones is answered once,
// with a refusal, or not at all, and what comes after it on the connection is
// not answered.
func TestSmuggling(t *testing.T) {
	addr, hits := smuggled(t)
	t.Run("each", func(t *testing.T) {
		for name, poison := range poisons {
			t.Run(name, func(t *testing.T) {
				t.Parallel() // some are given up after a while only
				if got := answers(t, addr, poison); len(got) > 1 || len(got) == 1 && got[0] < 400 {
					t.Errorf("%v", got)
				}
			})
		}
	})
	if n := hits.Load(); n > 0 {
		t.Errorf("the hidden one was reached %d times", n)
	}
}

// What is odd and still means one thing is answered, and so is what follows.
func TestSoundRequestsShareAConnection(t *testing.T) {
	addr, hits := smuggled(t)
	last := strings.Replace(hidden, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1)
	const asJSON = "Content-Type: application/json\r\n"
	for name, first := range map[string]string{
		"a body":                    post(asJSON+"Content-Length: 2\r\n") + "{}",
		"a body that nobody wants":  "POST /api/v1/test/echo HTTP/1.1\r\nHost: h\r\nContent-Length: 44\r\n\r\n" + hidden[:44],
		"a larger one":              fmt.Sprintf("POST /api/v1/nothing HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", 4000*len(hidden)) + strings.Repeat(hidden, 4000),
		"in chunks":                 "POST /api/v1/nothing HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked(strings.Repeat(hidden, 1000)),
		"of a method without one":   fmt.Sprintf("GET /livez HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n", 1000*len(hidden)) + strings.Repeat(hidden, 1000),
		"a little too much":         post(asJSON+"Transfer-Encoding: chunked\r\n") + chunked(strings.Repeat(" ", maxJSON+100)),
		"of another type":           post("Content-Type: text/plain\r\nContent-Length: 20000\r\n") + strings.Repeat("x", 20000),
		"a chunk with an extension": chunks("2;a=b\r\n{}\r\n0\r\n\r\n"),
		"a long extension":          chunks("2;" + strings.Repeat("a", 4<<10) + "\r\n{}\r\n0\r\n\r\n"),
		"chunk sizes in capitals":   chunks("A\r\n{        }\r\n0\r\n\r\n"),
		"an absolute address":       "GET http://h/livez HTTP/1.1\r\nHost: h\r\n\r\n",
		"an address without a host": "GET / HTTP/1.1\r\nHost: h\r\n\r\n",
	} {
		before := hits.Load()
		if got := answers(t, addr, first+last); len(got) != 2 || got[1] != 200 || hits.Load() != before+1 {
			t.Errorf("%s: %v, the second was reached %d times", name, got, hits.Load()-before)
		}
	}
}

// Requests that are sent at once are answered in order, until one that is bad.
func TestPipelining(t *testing.T) {
	addr, _ := smuggled(t)
	good, bad := "GET /livez HTTP/1.1\r\nHost: h\r\n\r\n", "GET /livez HTTP/1.1\r\nHost: h\r\nHost: h\r\n\r\n"
	for want, all := range map[string]string{
		"[200 200 400]": good + good + bad + good, "[400]": bad + good + good,
	} {
		if got := answers(t, addr, all); fmt.Sprint(got) != want {
			t.Errorf("%v, want %s", got, want)
		}
	}
	many := answers(t, addr, strings.Repeat(good, 200)+strings.Replace(good, "\r\n\r\n", "\r\nConnection: close\r\n\r\n", 1))
	if len(many) != 201 || slices.Max(many) != 200 {
		t.Errorf("%d answers", len(many))
	}
}
