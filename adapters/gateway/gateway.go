// Package gateway hands files to plugins over HTTP on the loopback interface.
//
// A plugin may not see the blob store, and a call should not carry a picture.
// So it gets an address that says all there is to say — whose file, which one,
// until when — under a signature; there are no sessions and no other route,
// and every refusal looks the same. The address is a secret of the call it was
// made for.
//
// Start with Signer.URL and New.
package gateway

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Files is what the gateway needs of the media context.
type Files interface {
	Get(ctx context.Context, who tenants.Scope, id media.ID) (*media.Media, error)
	Open(ctx context.Context, who tenants.Scope, id media.ID, offset, length int64) (io.ReadCloser, error)
}

// Signer makes and checks addresses. It is safe for concurrent use.
type Signer struct {
	key  []byte
	base string
	now  func() time.Time
}

var _ media.Links = (*Signer)(nil)

// NewSigner returns a Signer for the gateway at base, such as
// "http://127.0.0.1:40123". key is 32 secret bytes used for nothing else; every
// process that shares it accepts the others' addresses.
func NewSigner(key []byte, base string, now func() time.Time) *Signer {
	return &Signer{key: key, base: strings.TrimSuffix(base, "/"), now: now}
}

// URL returns an address that answers GET and HEAD until ttl has passed.
func (s *Signer) URL(tenant tenants.ID, id media.ID, ttl time.Duration) string {
	until := strconv.FormatInt(s.now().Add(ttl).Unix(), 10)
	q := url.Values{"until": {until}, "sig": {s.sign(tenant, id, until)}}
	return s.base + "/m/" + string(tenant) + "/" + string(id) + "?" + q.Encode()
}

// sign covers everything an address says. No part can hold a line break, so
// no two addresses read the same.
func (s *Signer) sign(tenant tenants.ID, id media.ID, until string) string {
	mac := hmac.New(sha256.New, s.key)
	_, _ = io.WriteString(mac, "GET\n"+string(tenant)+"\n"+string(id)+"\n"+until) // a hash takes everything
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// check reports whether an address was made by URL and still counts.
func (s *Signer) check(tenant tenants.ID, id media.ID, until, sig string) bool {
	at, err := strconv.ParseInt(until, 10, 64)
	return err == nil && tenant.Valid() && id.Valid() &&
		hmac.Equal([]byte(s.sign(tenant, id, until)), []byte(sig)) && s.now().Unix() < at
}

// New returns the gateway: GET and HEAD of signed addresses, with ranges, and
// nothing else.
func New(s *Signer, files Files) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /m/{tenant}/{id}", &handler{s, files}) // HEAD, too
	return mux
}

type handler struct {
	signer *Signer
	files  Files
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tenant, id := tenants.ID(r.PathValue("tenant")), media.ID(r.PathValue("id"))
	q := r.URL.Query()
	if !h.signer.check(tenant, id, q.Get("until"), q.Get("sig")) {
		http.NotFound(w, r)
		return
	}
	who := tenants.SystemScope(tenant)
	m, err := h.files.Get(r.Context(), who, id)
	if err != nil {
		refuse(w, r, err)
		return
	}
	header := w.Header()
	header.Set("Content-Type", m.MIME)
	header.Set("ETag", `"`+m.SHA256+`"`)
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	header.Set("Content-Disposition", "attachment")
	header.Set("Cache-Control", "private, no-store")
	content := &blob{size: m.Bytes, open: func(at int64) (io.ReadCloser, error) {
		return h.files.Open(r.Context(), who, id, at, -1)
	}}
	defer content.Close() // it was only read
	http.ServeContent(w, r, "", time.Time{}, content)
}

func refuse(w http.ResponseWriter, r *http.Request, err error) {
	if fault.Is(err, fault.NotFound) {
		http.NotFound(w, r)
		return
	}
	http.Error(w, "unavailable", http.StatusServiceUnavailable)
}

// blob is a file as http.ServeContent wants it. Seeking is free; the store is
// asked at the first read, from where it will be read.
type blob struct {
	size, at int64
	open     func(at int64) (io.ReadCloser, error)
	body     io.ReadCloser
}

func (b *blob) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += b.at
	case io.SeekEnd:
		offset += b.size
	}
	if offset < 0 {
		return 0, errors.New("gateway: seek before the start")
	}
	if offset != b.at && b.body != nil {
		_ = b.Close()
	}
	b.at = offset
	return offset, nil
}

func (b *blob) Read(p []byte) (int, error) {
	if b.at >= b.size {
		return 0, io.EOF
	}
	if b.body == nil {
		body, err := b.open(b.at)
		if err != nil {
			return 0, err
		}
		b.body = body
	}
	n, err := b.body.Read(p)
	b.at += int64(n)
	return n, err
}

// Close releases what was opened.
func (b *blob) Close() error {
	if b.body == nil {
		return nil
	}
	body := b.body
	b.body = nil
	return body.Close()
}
