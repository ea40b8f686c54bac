// Package transittest is as much of HashiCorp Vault as a kms.Transit talks to,
// on this machine, for tests. Start with New.
package transittest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Fake answers as Vault does: by version, bound, sealed, with tokens that end. Its
// transit engine is at transit, in namespace team, with a key called carillon.
// Its fields are changed by Change.
type Fake struct {
	*httptest.Server
	Oldest  int // that still decrypts
	Sealed  bool
	Token   string
	Renewed int
	Seen    []string // methods and paths

	mu   sync.Mutex
	keys [][]byte // by version, from 1
}

// New starts one, which takes the token hvs.first.
func New(t *testing.T) *Fake {
	t.Helper()
	f := &Fake{Oldest: 1, Token: "hvs.first"}
	f.Rotate()
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// Rotate makes a further version of the key.
func (f *Fake) Rotate() {
	key := make([]byte, 32)
	_, _ = rand.Read(key)
	f.keys = append(f.keys, key)
}

// Change is how a test changes what others may be reading.
func (f *Fake) Change(fn func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fn()
}

// ServeHTTP implements http.Handler.
func (f *Fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.Seen = append(f.Seen, r.Method+" "+r.URL.Path)
	var in map[string]string
	_ = json.NewDecoder(r.Body).Decode(&in)
	status, out := f.answer(r, in)
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if text, bad := out.(string); bad {
		out = map[string]any{"errors": []string{text}}
	}
	_ = json.NewEncoder(w).Encode(out)
}

func (f *Fake) answer(r *http.Request, in map[string]string) (int, any) {
	data := func(v any) (int, any) { return 200, map[string]any{"data": v} }
	switch {
	case f.Sealed:
		return 503, "Vault is sealed"
	case r.Header.Get("X-Vault-Token") != f.Token || r.Header.Get("X-Vault-Namespace") != "team":
		return 403, "permission denied"
	case r.URL.Path == "/v1/auth/token/renew-self" && r.Method == http.MethodPost:
		f.Renewed++
		return 200, map[string]any{"data": nil, "auth": map[string]any{"lease_duration": 3600, "renewable": true}}
	case r.URL.Path == "/v1/transit/keys/carillon" && r.Method == http.MethodGet:
		return data(map[string]any{"latest_version": len(f.keys), "min_decryption_version": f.Oldest, "type": "aes256-gcm96"})
	case r.URL.Path == "/v1/transit/encrypt/carillon":
		text, err := f.encrypt(in)
		if err != nil {
			return 400, err.Error()
		}
		return data(map[string]any{"ciphertext": text, "key_version": len(f.keys)})
	case r.URL.Path == "/v1/transit/decrypt/carillon":
		plain, err := f.decrypt(in)
		if err != nil {
			return 400, err.Error()
		}
		return data(map[string]any{"plaintext": plain})
	}
	return 404, "no handler for route"
}

func sealing(key []byte) cipher.AEAD {
	block, _ := aes.NewCipher(key)
	gcm, _ := cipher.NewGCMWithRandomNonce(block)
	return gcm
}

func (f *Fake) encrypt(in map[string]string) (string, error) {
	plain, err := base64.StdEncoding.DecodeString(in["plaintext"])
	bound, err2 := base64.StdEncoding.DecodeString(in["associated_data"])
	if err != nil || err2 != nil {
		return "", fmt.Errorf("failed to base64-decode plaintext")
	}
	sealed := sealing(f.keys[len(f.keys)-1]).Seal(nil, nil, plain, bound)
	return fmt.Sprintf("vault:v%d:%s", len(f.keys), base64.StdEncoding.EncodeToString(sealed)), nil
}

func (f *Fake) decrypt(in map[string]string) (string, error) {
	digits, text, _ := strings.Cut(strings.TrimPrefix(in["ciphertext"], "vault:v"), ":")
	version, err := strconv.Atoi(digits)
	sealed, err2 := base64.StdEncoding.DecodeString(text)
	bound, err3 := base64.StdEncoding.DecodeString(in["associated_data"])
	switch {
	case err != nil || err2 != nil || err3 != nil:
		return "", fmt.Errorf("invalid ciphertext: could not decode base64")
	case version > len(f.keys):
		return "", fmt.Errorf("invalid ciphertext: version is too new")
	case version < f.Oldest:
		return "", fmt.Errorf("ciphertext or signature version is disallowed by policy (too old)")
	}
	plain, err := sealing(f.keys[max(version, 1)-1]).Open(nil, nil, sealed, bound)
	if err != nil {
		return "", fmt.Errorf("cipher: message authentication failed")
	}
	return base64.StdEncoding.EncodeToString(plain), nil
}
