package bundle

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"os"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/ports/fault"
)

// maxSignature is the size of the largest bundle.sig, in bytes.
const maxSignature = 4 << 10

// purpose is what is signed before a digest, so that a signature made for a
// bundle says nothing about anything else.
const purpose = "carillon bundle 1\n"

// A Signature says who vouches for a bundle. It brings the key along, so that
// it can be checked by whoever does not know the key yet; whether the key is
// one to trust is another question.
type Signature struct {
	Key       string `json:"key"` // catalog.KeyID of Public
	Public    []byte `json:"public"`
	Signature []byte `json:"signature"`
}

// encode is bundle.sig; nil for none.
func (s *Signature) encode() []byte {
	if s == nil {
		return nil
	}
	raw, _ := json.Marshal(s) // three plain fields
	return raw
}

// Check verifies the signature over a bundle's digest. It returns
// fault.Invalid if it is not that key's, or not over that digest.
func (s *Signature) Check(digest string) error {
	if len(s.Public) != ed25519.PublicKeySize || catalog.KeyID(s.Public) != s.Key || !ed25519.Verify(s.Public, []byte(purpose+digest), s.Signature) {
		return fault.New(fault.Invalid, "bundle.bad_signature", "The signature does not belong to this bundle: it was changed after it was signed, or signed by somebody else.")
	}
	return nil
}

// Sign copies the bundle in to out with a signature by key, in place of one
// that it may have.
func Sign(out io.Writer, in io.ReadSeeker, key ed25519.PrivateKey) (Contents, error) {
	c, err := Inspect(in)
	if err != nil {
		return Contents{}, err
	}
	public, ok := key.Public().(ed25519.PublicKey)
	if !ok {
		return Contents{}, errors.New("this is no ed25519 key")
	}
	c.Signature = &Signature{Key: catalog.KeyID(public), Public: public, Signature: ed25519.Sign(key, []byte(purpose+c.Digest))}
	if _, err := in.Seek(0, io.SeekStart); err != nil {
		return Contents{}, err
	}
	dir, err := os.MkdirTemp("", "carillon-sign-")
	if err != nil {
		return Contents{}, err
	}
	defer func() { _ = removeAll(dir) }()
	root, err := os.OpenRoot(dir)
	if err != nil {
		return Contents{}, err
	}
	defer root.Close()
	if _, err := unpack(in, root); err != nil {
		return Contents{}, err
	}
	return c, write(out, c.Raw, c.Signature.encode(), c.Lock.Files, func(f File) (io.ReadCloser, error) { return root.Open(f.Path) })
}

// The kinds of PEM blocks that keys are kept in; openssl reads them too.
const (
	pemPrivate = "PRIVATE KEY"
	pemPublic  = "PUBLIC KEY"
)

// NewKey makes a key and returns both halves as PEM: PKCS #8 and SPKI.
func NewKey() (private, public []byte, id string, err error) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, nil, "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, "", err
	}
	spki, err := x509.MarshalPKIXPublicKey(pub)
	if err != nil {
		return nil, nil, "", err
	}
	private = pem.EncodeToMemory(&pem.Block{Type: pemPrivate, Bytes: der})
	public = pem.EncodeToMemory(&pem.Block{Type: pemPublic, Bytes: spki})
	return private, public, catalog.KeyID(pub), nil
}

// ParsePrivateKey reads what NewKey made.
func ParsePrivateKey(text []byte) (ed25519.PrivateKey, error) {
	block, _ := pem.Decode(text)
	if block == nil || block.Type != pemPrivate {
		return nil, errors.New("this is no private key in PEM; make one with: carillon plugin keygen")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, err
	}
	private, ok := key.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("this is no ed25519 key")
	}
	return private, nil
}
