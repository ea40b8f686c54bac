package httpapi

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gofiber/fiber/v2"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
)

// hurried is serve with a server that waits as long as a test may take: what
// counts is that it gives up, and production's figures are in New.
func hurried(t *testing.T, routes ...api.Route) string {
	t.Helper()
	app, err := New(testConfig(), &Server{})
	if err != nil {
		t.Fatal(err)
	}
	if err := testSurface(t, testConfig()).contract(app, routes); err != nil {
		t.Fatal(err)
	}
	s := app.Server()
	for name, d := range map[string]time.Duration{"read": s.ReadTimeout, "write": s.WriteTimeout, "idle": s.IdleTimeout} {
		if d <= 0 || d > time.Minute {
			t.Errorf("the %s timeout is %s", name, d)
		}
	}
	s.ReadTimeout, s.WriteTimeout, s.IdleTimeout = time.Second, time.Second, time.Second
	return listen(t, app)
}

// heap is a page that does not fit into the buffers between two sockets.
var heapRoute = api.Route{Method: "GET", Path: "/test/heap", Operation: "Heap", Public: "test", Handler: func(c *fiber.Ctx) error {
	return c.Send(bytes.Repeat([]byte("x"), 64<<20))
}}

// Whoever is slow is left: in the first line, the headers, the body, a chunk,
// between requests, or in reading.
func TestSlowClientsAreLeft(t *testing.T) {
	addr := hurried(t, echoRoute, heapRoute)
	head := "POST /api/v1/test/echo HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer key\r\nContent-Type: application/json\r\n"
	for name, tc := range map[string]struct {
		at   string // is sent at once
		drip string // then a byte now and then
	}{
		"nothing":      {"", ""},
		"half a line":  {"GET /li", ""},
		"a slow line":  {"GET /", strings.Repeat("a", 1000)},
		"slow headers": {"GET /livez HTTP/1.1\r\nHost: h\r\n", strings.Repeat("X-A: b\r\n", 200)},
		"a slow body":  {head + "Content-Length: 1000\r\n\r\n{", strings.Repeat(" ", 1000)},
		"no body":      {head + "Content-Length: 1000\r\n\r\n", ""},
		"slow chunks":  {head + "Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("1\r\n \r\n", 200)},
		"a slow size":  {head + "Transfer-Encoding: chunked\r\n\r\n", strings.Repeat("0", 1000)},
		"an idle one":  {"GET /livez HTTP/1.1\r\nHost: h\r\n\r\n", ""},
		"unwanted":     {"POST /api/v1/nothing HTTP/1.1\r\nHost: h\r\nContent-Length: 100000\r\n\r\n", strings.Repeat(" ", 1000)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close() // a test
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			if _, err := io.WriteString(conn, tc.at); err != nil {
				t.Fatal(err)
			}
			go func() {
				for i := range tc.drip {
					if _, err := conn.Write([]byte(tc.drip[i : i+1])); err != nil {
						return
					}
					<-time.After(100 * time.Millisecond)
				}
			}()
			if _, err := io.Copy(io.Discard, conn); errors.Is(err, os.ErrDeadlineExceeded) {
				t.Error("it is still open after half a minute")
			}
		})
	}
}

// Whoever does not read what they asked for is left, and what was to be sent is
// given back.
func TestSlowReadersAreLeft(t *testing.T) {
	addr := hurried(t, heapRoute)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			conn, err := net.Dial("tcp", addr)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close() // a test
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			if _, err := io.WriteString(conn, "GET /api/v1/test/heap HTTP/1.1\r\nHost: h\r\n\r\n"); err != nil {
				t.Error(err)
				return
			}
			n, piece := 0, make([]byte, 32<<10)
			for err == nil { // all of it would take longer than half a minute
				var some int
				some, err = conn.Read(piece)
				n += some
				<-time.After(20 * time.Millisecond)
			}
			if n >= 64<<20 || errors.Is(err, os.ErrDeadlineExceeded) {
				t.Errorf("%d bytes came late: %v", n, err)
			}
		})
	}
	all.Wait()
}

// A thousand connections that say nothing take little, and others are answered
// meanwhile; soon they are gone.
func TestIdleConnectionsAreCheap(t *testing.T) {
	addr := hurried(t)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	const many = 1000
	conns := make([]net.Conn, 0, many)
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range many {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		_, _ = io.WriteString(c, "GET /livez HT")
	}
	res, body := raw(t, addr, "GET /livez HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n")
	if res.StatusCode != http.StatusOK {
		t.Errorf("%d %s", res.StatusCode, body)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if each := (int64(after.HeapAlloc) - int64(before.HeapAlloc)) / many; each > 64<<10 {
		t.Errorf("%d bytes each", each)
	}
	for i, c := range conns {
		_ = c.SetReadDeadline(time.Now().Add(30 * time.Second))
		if _, err := io.Copy(io.Discard, bufio.NewReader(c)); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal(fmt.Sprint(i, " is still open"))
		}
	}
}
