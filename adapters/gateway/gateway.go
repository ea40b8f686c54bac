// Package gateway hands files to plugins over HTTP on the loopback interface.
//
// A plugin may not see the blob store, and a call should not carry a picture.
// So it gets an address that says all there is to say — whose file, which one,
// until when — sealed, because a plugin knows a tenant by a pseudonym only;
// there are no sessions and no other route, and every refusal looks the same.
// The address is a secret of the call it was made for.
//
// Start with Signer.URL and New.
package gateway

import (
	"context"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// Files is what the gateway needs of the media context.
type Files interface {
	Get(ctx context.Context, who tenants.Scope, id media.ID) (*media.Media, error)
	Open(ctx context.Context, who tenants.Scope, id media.ID, offset, length int64) (io.ReadCloser, error)
}

// Signer makes and reads addresses. It is safe for concurrent use.
type Signer struct {
	seal   cipher.AEAD
	others []cipher.AEAD
	base   string
	now    func() time.Time
}

var _ media.Links = (*Signer)(nil)

// NewSigner returns a Signer for the gateway at base, such as
// "http://127.0.0.1:40123". key is 32 secret bytes used for nothing else; every
// process that shares it accepts the others' addresses. What other keys made
// counts, too: those that were or will be current.
func NewSigner(key []byte, base string, now func() time.Time, others ...[]byte) *Signer {
	s := &Signer{seal: sealer(key), base: strings.TrimSuffix(base, "/"), now: now}
	for _, other := range others {
		s.others = append(s.others, sealer(other))
	}
	return s
}

func sealer(key []byte) cipher.AEAD {
	seal, err := chacha20poly1305.NewX(key)
	if err != nil {
		panic(fmt.Sprintf("gateway: a key of %d bytes: %v", len(key), err)) // see NewSigner
	}
	return seal
}

// A pass is what an address says, to those who have the key.
type pass struct {
	Tenant tenants.ID `json:"t"`
	Media  media.ID   `json:"m"`
	Until  int64      `json:"u"` // seconds since 1970
}

// passBinding keeps what was sealed for anything else out.
const passBinding = "GET /m/"

// URL returns an address that answers GET and HEAD until ttl has passed.
func (s *Signer) URL(tenant tenants.ID, id media.ID, ttl time.Duration) string {
	plain, _ := json.Marshal(pass{tenant, id, s.now().Add(ttl).Unix()}) // two texts and a number
	nonce := make([]byte, s.seal.NonceSize(), s.seal.NonceSize()+len(plain)+s.seal.Overhead())
	_, _ = rand.Read(nonce) // never fails, see crypto/rand
	return s.base + "/m/" + base64.RawURLEncoding.EncodeToString(s.seal.Seal(nonce, nonce, plain, []byte(passBinding)))
}

// open reads the last part of an address. It reports false unless the address
// was made by URL and still counts.
func (s *Signer) open(token string) (p pass, ok bool) {
	sealed, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(sealed) < s.seal.NonceSize() {
		return pass{}, false
	}
	nonce, sealed := sealed[:s.seal.NonceSize()], sealed[s.seal.NonceSize():]
	plain, err := s.seal.Open(nil, nonce, sealed, []byte(passBinding))
	for i := 0; err != nil && i < len(s.others); i++ {
		plain, err = s.others[i].Open(nil, nonce, sealed, []byte(passBinding))
	}
	if err != nil || json.Unmarshal(plain, &p) != nil {
		return pass{}, false
	}
	return p, p.Tenant.Valid() && p.Media.Valid() && s.now().Unix() < p.Until
}

// New returns the gateway: GET and HEAD of its own addresses, with ranges, and
// nothing else.
func New(s *Signer, files Files) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /m/{pass}", &handler{s, files}) // HEAD, too
	return mux
}

type handler struct {
	signer *Signer
	files  Files
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p, ok := h.signer.open(r.PathValue("pass"))
	if !ok || r.URL.RawQuery != "" {
		http.NotFound(w, r)
		return
	}
	who, id := tenants.SystemScope(p.Tenant), p.Media
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
