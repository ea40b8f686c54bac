package kms

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/ports/secret"
)

// TransitConfig says where HashiCorp Vault's transit engine is, and which of its
// keys wraps: one of type aes256-gcm96 or another that takes associated data.
type TransitConfig struct {
	Address   string // such as https://vault.example.com:8200
	Mount     string // such as transit
	Key       string // such as carillon
	Namespace string // empty: none
	// Token is asked at first, and again when Vault refuses the one before.
	Token  func() (secret.Secret, error)
	Client *http.Client // goes out as the operator allows
	Now    func() time.Time
}

// Transit is a keeper in HashiCorp Vault: its keys never leave it. It renews its
// token while that can be renewed. It is safe for concurrent use.
// The API is https://developer.hashicorp.com/vault/api-docs/secret/transit
type Transit struct {
	TransitConfig
	mu    sync.Mutex
	token secret.Secret
	renew time.Time // when to; zero: not known yet
}

var _ kms.Keeper = (*Transit)(nil)

// NewTransit returns a Transit. Every field but Namespace is required.
func NewTransit(c TransitConfig) *Transit {
	c.Address = strings.TrimRight(c.Address, "/")
	return &Transit{TransitConfig: c}
}

func (t *Transit) path(verb string) string { return t.Mount + "/" + verb + "/" + url.PathEscape(t.Key) }

// name is what a version of the key is called.
func (t *Transit) name(version int) string { return fmt.Sprintf("transit/%s/%d", t.Key, version) }

// form begins a ciphertext of Vault's, before the version.
const form = "vault:v"

// Wrap implements kms.Keeper.
func (t *Transit) Wrap(ctx context.Context, key, bound []byte) (kms.Wrapped, error) {
	var out struct {
		Ciphertext string `json:"ciphertext"`
	}
	err := t.call(ctx, http.MethodPost, t.path("encrypt"), map[string]string{"plaintext": b64(key), "associated_data": b64(bound)}, &out)
	if err != nil {
		return kms.Wrapped{}, kms.Unavailable(err)
	}
	w, err := t.Parse(out.Ciphertext)
	if err != nil {
		return w, kms.Unavailable(err)
	}
	return w, nil
}

// Parse reads a ciphertext as Vault writes it, "vault:v1:…".
func (t *Transit) Parse(ciphertext string) (kms.Wrapped, error) {
	version, text, ok := strings.Cut(strings.TrimPrefix(ciphertext, form), ":")
	n, err := strconv.Atoi(version)
	sealed, err2 := base64.StdEncoding.DecodeString(text)
	if !ok || errors.Join(err, err2) != nil {
		return kms.Wrapped{}, errors.New("this is no ciphertext of Vault's")
	}
	return kms.Wrapped{Key: t.name(n), Bytes: sealed}, nil
}

// Text is Parse's other way.
func (t *Transit) Text(w kms.Wrapped) string {
	return form + strings.TrimPrefix(w.Key, "transit/"+t.Key+"/") + ":" + b64(w.Bytes)
}

// Unwrap implements kms.Keeper.
func (t *Transit) Unwrap(ctx context.Context, w kms.Wrapped, bound []byte) ([]byte, error) {
	version, err := strconv.Atoi(strings.TrimPrefix(w.Key, "transit/"+t.Key+"/"))
	if err != nil || t.name(version) != w.Key {
		return nil, kms.ErrUnknown(w.Key)
	}
	if len(w.Bytes) == 0 {
		return nil, kms.ErrRefused()
	}
	var out struct {
		Plaintext []byte `json:"plaintext"`
	}
	err = t.call(ctx, http.MethodPost, t.path("decrypt"), map[string]string{"ciphertext": t.Text(w), "associated_data": b64(bound)}, &out)
	var refused *refusal
	switch {
	case errors.As(err, &refused) && refused.says("too old", "too new", "key not found"):
		return nil, kms.ErrUnknown(w.Key)
	case errors.As(err, &refused):
		return nil, kms.ErrRefused()
	case err != nil:
		return nil, err
	}
	return out.Plaintext, nil
}

// Keys implements kms.Keeper.
func (t *Transit) Keys(ctx context.Context) (k kms.Keys, err error) {
	var out struct {
		Latest  int `json:"latest_version"`
		Opening int `json:"min_decryption_version"`
	}
	if err := t.call(ctx, http.MethodGet, t.path("keys"), nil, &out); err != nil {
		return k, err
	}
	for n := max(out.Opening, 1); n <= out.Latest; n++ {
		k.All = append(k.All, t.name(n))
	}
	k.Current = t.name(out.Latest)
	return k, nil
}

// A refusal is what Vault will not do as it was asked.
type refusal struct{ errors []string }

func (r *refusal) Error() string { return "vault: refused" } // what it says may repeat what it was asked

func (r *refusal) says(parts ...string) bool {
	all := strings.Join(r.errors, " ")
	for _, p := range parts {
		if strings.Contains(all, p) {
			return true
		}
	}
	return false
}

// call does one request. It answers a refusal for 400, and Unavailable for
// whatever else is not an answer.
func (t *Transit) call(ctx context.Context, method, path string, in, out any) error {
	token, err := t.current(ctx)
	if err != nil {
		return kms.Unavailable(err)
	}
	status, err := t.once(ctx, token, method, path, in, out)
	if status == http.StatusForbidden { // it ended, or somebody put another one in its place
		if token, err = t.fresh(); err == nil {
			status, err = t.once(ctx, token, method, path, in, out)
		}
	}
	var refused *refusal
	switch {
	case err == nil && status != http.StatusOK:
		return kms.Unavailable(fmt.Errorf("vault: status %d", status))
	case err != nil && !errors.As(err, &refused):
		return kms.Unavailable(err)
	}
	return err
}

// maxAnswer is more than any answer about one key has.
const maxAnswer = 1 << 20

func (t *Transit) once(ctx context.Context, token secret.Secret, method, path string, in, out any) (int, error) {
	var body io.Reader
	if in != nil {
		raw, err := json.Marshal(in)
		if err != nil {
			return 0, err
		}
		body = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, t.Address+"/v1/"+path, body)
	if err != nil {
		return 0, err
	}
	req.Header.Set("X-Vault-Token", token.Reveal())
	req.Header.Set("X-Vault-Request", "true")
	if t.Namespace != "" {
		req.Header.Set("X-Vault-Namespace", t.Namespace)
	}
	res, err := t.Client.Do(req)
	if err != nil {
		return 0, err
	}
	defer func() { _ = res.Body.Close() }()
	var answer struct {
		Errors []string        `json:"errors"`
		Data   json.RawMessage `json:"data"`
		Auth   json.RawMessage `json:"auth"`
	}
	if err := json.NewDecoder(io.LimitReader(res.Body, maxAnswer)).Decode(&answer); err != nil && res.StatusCode == http.StatusOK {
		return res.StatusCode, errors.New("vault: no JSON") // the cause may quote a key
	}
	switch {
	case res.StatusCode == http.StatusBadRequest:
		return res.StatusCode, &refusal{answer.Errors}
	case res.StatusCode != http.StatusOK || out == nil:
		return res.StatusCode, nil
	case len(answer.Data) == 0 || string(answer.Data) == "null":
		answer.Data = answer.Auth
	}
	if json.Unmarshal(answer.Data, out) != nil {
		return res.StatusCode, errors.New("vault: an unexpected answer")
	}
	return res.StatusCode, nil
}

func b64(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
