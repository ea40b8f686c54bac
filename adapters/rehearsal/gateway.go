package rehearsal

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// Gateway lends attachments to the plugin, as the host's does: GET and HEAD
// with ranges, reached without the proxy.
type Gateway struct {
	addr   string
	server *http.Server

	mu    sync.Mutex
	files map[string]lent
}

type lent struct {
	mime  string
	bytes []byte
}

func newGateway() (*Gateway, error) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &Gateway{addr: ln.Addr().String(), files: map[string]lent{}}
	g.server = &http.Server{Handler: g, ReadHeaderTimeout: time.Minute}
	go func() { _ = g.server.Serve(ln) }()
	return g, nil
}

// Close ends every connection.
func (g *Gateway) Close() { _ = g.server.Close() }

// ServeHTTP implements http.Handler.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	g.mu.Lock()
	f, ok := g.files[r.URL.Path]
	g.mu.Unlock()
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", f.mime)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(f.bytes))
}

// Lend makes an attachment of f, whose file is relative to dir.
func (g *Gateway) Lend(dir string, f File) (social.Media, error) {
	raw := picture()
	if f.File != "" {
		var err error
		if raw, err = os.ReadFile(filepath.Join(dir, f.File)); err != nil {
			return social.Media{}, err
		}
	}
	sum := sha256.Sum256(raw)
	m := social.Media{
		ID: "med_" + hex.EncodeToString(sum[:6]), Kind: f.Kind, MIME: f.MIME, Bytes: int64(len(raw)), SHA256: hex.EncodeToString(sum[:]),
		Alt: f.Alt, URL: fmt.Sprintf("http://%s/%x", g.addr, sum[:12]),
	}
	if m.Kind == "" {
		m.Kind = social.Image
	}
	if m.MIME == "" {
		m.MIME = http.DetectContentType(raw)
	}
	if c, _, err := image.DecodeConfig(bytes.NewReader(raw)); err == nil {
		m.Width, m.Height = c.Width, c.Height
	}
	g.mu.Lock()
	g.files["/"+hex.EncodeToString(sum[:12])] = lent{m.MIME, raw}
	g.mu.Unlock()
	return m, nil
}

// picture is a small one, for projects that bring none.
var picture = sync.OnceValue(func() []byte {
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for y := range 48 {
		for x := range 64 {
			img.Set(x, y, color.RGBA{R: uint8(4 * x), G: 110, B: uint8(5 * y), A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err) // a picture in memory has a form
	}
	return b.Bytes()
})
