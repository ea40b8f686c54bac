package catalog

import (
	"crypto/ed25519"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"

	"github.com/carillonhq/carillon/ports/fault"
)

// KeyID names a public key: the first 16 hexadecimal digits of its SHA-256.
func KeyID(public ed25519.PublicKey) string {
	sum := sha256.Sum256(public)
	return hex.EncodeToString(sum[:8])
}

// ParseKey reads an ed25519 public key in PEM (SPKI) and returns it under its
// id. Errors: fault.Invalid.
func ParseKey(text string) (Key, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return Key{}, badKey()
	}
	parsed, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return Key{}, badKey()
	}
	public, ok := parsed.(ed25519.PublicKey)
	if !ok {
		return Key{}, badKey()
	}
	return Key{ID: KeyID(public), Public: public}, nil
}

// PEM is the key as ParseKey reads it.
func (k Key) PEM() string {
	der, err := x509.MarshalPKIXPublicKey(ed25519.PublicKey(k.Public))
	if err != nil {
		return "" // of a key that is none
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func badKey() error {
	return fault.New(fault.Invalid, "plugin.bad_key", "This is no ed25519 public key in PEM.").On("/public")
}
