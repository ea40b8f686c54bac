package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
	"github.com/carillonhq/carillon/adapters/logging"
	"github.com/carillonhq/carillon/adapters/sandbox"
)

// TestMain lets the test binary be the program: its plugins and its decoder of
// images are child processes of itself.
func TestMain(m *testing.M) {
	sandbox.Main()
	if len(os.Args) > 1 && !strings.HasPrefix(os.Args[1], "-test.") {
		main()
		return
	}
	os.Exit(m.Run())
}

// a lockedBuffer is a log that can be read.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// An installation is everything in one process, with its log at level debug.
type installation struct {
	t        *testing.T
	d        *dev
	k        *kernel
	log      lockedBuffer
	dir      string // of what it keeps
	operator string // base of the operator's listener
	story    *story
	stop     func()
}

var errOver = errors.New("over")

// install runs an installation until stop is called or the test ends.
func install(t *testing.T, with func(*config)) *installation {
	t.Helper()
	dir, remove, err := demoDir()
	must(t, err)
	t.Cleanup(remove)
	in := &installation{t: t, dir: dir}
	ctx, cancel := context.WithTimeoutCause(context.Background(), 3*time.Minute, errOver)
	t.Cleanup(cancel)
	operator := freeAddr(t)
	in.d, err = openDev(ctx, io.Discard, devAddrs{api: "127.0.0.1:0", pigeon: "127.0.0.1:0", mail: "127.0.0.1:0", metrics: operator}, dir)
	must(t, err)
	in.operator = "http://" + operator
	in.d.log = logging.New(&in.log, slog.LevelDebug, whereabouts)
	with(&in.d.cfg)
	up, ended := make(chan *kernel, 1), make(chan error, 1)
	go func() {
		ended <- in.d.run(ctx, func(_ context.Context, k *kernel) error { up <- k; return nil })
		in.d.close()
	}()
	in.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("it ended with %v", err)
		}
	})
	t.Cleanup(in.stop)
	select {
	case in.k = <-up:
	case err := <-ended:
		ended <- nil
		t.Fatal(err)
	}
	in.story = &story{out: io.Discard, api: in.k.cfg.URL, began: time.Now(), browser: browser()}
	return in
}

// masterText is the master key as it is configured.
func (in *installation) masterText() string {
	in.t.Helper()
	b, err := os.ReadFile(filepath.Join(in.dir, "master.key"))
	must(in.t, err)
	return strings.TrimSpace(string(b))
}

// tell does the main job: everything of the demonstration but the waiting.
func (in *installation) tell(ctx context.Context) {
	in.t.Helper()
	for _, part := range []func(context.Context) error{in.story.signIn, in.story.listen, in.story.connect, in.story.upload} {
		must(in.t, part(ctx))
	}
	channels := []client.Variant{{ChannelId: in.story.channel}}
	post, err := in.story.create(ctx, client.PostInput{Channels: &channels, Segments: []client.Segment{{
		Text: "Seen from outside.", Media: &[]client.Attachment{{Id: in.story.media}}}}})
	must(in.t, err)
	match := etag(post)
	sent, err := in.story.client.PublishPostWithResponse(ctx, post.Id, &client.PublishPostParams{IdempotencyKey: key(), IfMatch: &match})
	if err != nil || sent.HTTPResponse.StatusCode/100 != 2 {
		in.t.Fatal(answer(err, sent.Body))
	}
	must(in.t, in.story.events.wait(ctx, "post.published", post.Id))
}

// send makes one request and returns status and body.
func (in *installation) send(method, url string, header map[string]string, body string) (int, string) {
	in.t.Helper()
	req, err := http.NewRequestWithContext(in.t.Context(), method, url, strings.NewReader(body))
	must(in.t, err)
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	for name, value := range header {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	must(in.t, err)
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	must(in.t, err)
	return res.StatusCode, string(raw)
}

func freeAddr(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	must(t, ln.Close())
	return ln.Addr().String()
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
