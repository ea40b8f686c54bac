// Package webauthntest is a device with passkeys, and the browser around it, for
// tests. It does what WebAuthn asks of both, by hand: attestation none, ES256.
package webauthntest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
)

// Device holds passkeys. Its zero value has none and is ready to use.
type Device struct {
	Unverified bool // asks for no finger and no PIN
	keys       []key
}

type key struct {
	id      []byte
	party   string
	handle  []byte
	private *ecdsa.PrivateKey
	count   uint32
}

// Clone returns a copy of the device, keys and counters included.
func (d *Device) Clone() *Device { return &Device{d.Unverified, slices.Clone(d.keys)} }

// Flags of authenticator data (WebAuthn level 3, 6.1).
const (
	present  = 1 << 0
	verified = 1 << 2
	attested = 1 << 6
)

func (d *Device) flags() byte {
	if d.Unverified {
		return present
	}
	return present | verified
}

type descriptor struct {
	ID string `json:"id"`
}

// Create answers options of navigator.credentials.create, on a page of origin.
func (d *Device) Create(origin string, options []byte) ([]byte, error) {
	var o struct {
		RP        struct{ ID string }
		User      struct{ ID string }
		Challenge string
		Exclude   []descriptor `json:"excludeCredentials"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	for _, x := range o.Exclude {
		if slices.ContainsFunc(d.keys, func(k key) bool { return text(k.id) == x.ID }) {
			return nil, errors.New("webauthntest: this device has a passkey already")
		}
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	handle, err := base64.RawURLEncoding.DecodeString(o.User.ID)
	if err != nil {
		return nil, err
	}
	k := key{id: random(32), party: o.RP.ID, handle: handle, private: private}
	d.keys = append(d.keys, k)
	data, err := d.enrolment(k)
	if err != nil {
		return nil, err
	}
	return answer(k, map[string]any{
		"clientDataJSON": text(client("webauthn.create", o.Challenge, origin)), "attestationObject": text(attestation(data)), "transports": []string{"internal"},
	})
}

// Get answers options of navigator.credentials.get, on a page of origin.
func (d *Device) Get(origin string, options []byte) ([]byte, error) {
	var o struct {
		RPID      string `json:"rpId"`
		Challenge string
		Allow     []descriptor `json:"allowCredentials"`
	}
	if err := json.Unmarshal(options, &o); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(d.keys, func(k key) bool {
		return k.party == o.RPID && (len(o.Allow) == 0 || slices.Contains(o.Allow, descriptor{text(k.id)}))
	})
	if i < 0 {
		return nil, errors.New("webauthntest: this device has no such passkey")
	}
	k := &d.keys[i]
	k.count++
	said := client("webauthn.get", o.Challenge, origin)
	data := authenticatorData(k.party, d.flags(), k.count)
	hash := sha256.Sum256(said)
	signed := sha256.Sum256(append(slices.Clone(data), hash[:]...))
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, signed[:])
	if err != nil {
		return nil, err
	}
	return answer(*k, map[string]any{
		"clientDataJSON": text(said), "authenticatorData": text(data), "signature": text(signature), "userHandle": text(k.handle),
	})
}

func answer(k key, response map[string]any) ([]byte, error) {
	return json.Marshal(map[string]any{
		"id": text(k.id), "rawId": text(k.id), "type": "public-key", "authenticatorAttachment": "platform",
		"clientExtensionResults": map[string]any{}, "response": response,
	})
}

func client(kind, challenge, origin string) []byte {
	said, _ := json.Marshal(map[string]any{"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
	return said
}

func authenticatorData(party string, flags byte, count uint32) []byte {
	hash := sha256.Sum256([]byte(party))
	return binary.BigEndian.AppendUint32(append(hash[:], flags), count)
}

// enrolment is authenticator data with the new key in it.
func (d *Device) enrolment(k key) ([]byte, error) {
	public, err := k.private.PublicKey.Bytes() // 4, x, y
	if err != nil {
		return nil, err
	}
	data := authenticatorData(k.party, d.flags()|attested, 0)
	data = append(data, make([]byte, 16)...) // of no particular model
	data = binary.BigEndian.AppendUint16(data, uint16(len(k.id)))
	data = append(data, k.id...)
	// COSE_Key (RFC 9053, 7.1.1): {1: 2, 3: -7, -1: 1, -2: x, -3: y}.
	data = append(data, 0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20)
	data = append(append(data, public[1:33]...), 0x22, 0x58, 0x20)
	return append(data, public[33:]...), nil
}

// attestation is {"fmt": "none", "attStmt": {}, "authData": data} in CBOR.
func attestation(data []byte) []byte {
	out := append([]byte{0xa3}, "\x63fmt\x64none\x67attStmt\xa0\x68authData\x59"...)
	return append(binary.BigEndian.AppendUint16(out, uint16(len(data))), data...)
}

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}

func text(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }
