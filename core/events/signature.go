package events

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
)

// secretPrefix and the headers are Standard Webhooks 1.0,
// https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
const (
	secretPrefix    = "whsec_"
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerSignature = "webhook-signature"
)

// newSecret returns 32 random bytes in the form receivers' libraries take.
func newSecret() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	return secretPrefix + base64.StdEncoding.EncodeToString(b[:])
}

// Sign returns the value of the signature header: one "v1,…" for each secret,
// divided by spaces, so that a receiver that holds either of two accepts it.
func Sign(secrets []string, event ID, at time.Time, body []byte) (string, error) {
	signed := make([]string, 0, len(secrets))
	for _, s := range secrets {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, secretPrefix))
		if err != nil || len(key) < 24 {
			return "", fault.New(fault.Internal, "webhook.bad_secret", "A signing secret is damaged.")
		}
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(string(event) + "." + strconv.FormatInt(at.Unix(), 10) + "."))
		mac.Write(body)
		signed = append(signed, "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	return strings.Join(signed, " "), nil
}

// message signs e for an endpoint at url.
func message(url string, e *Event, secrets []string, at time.Time) (Message, error) {
	body, err := e.Envelope()
	if err != nil {
		return Message{}, err
	}
	signature, err := Sign(secrets, e.ID, at, body)
	if err != nil {
		return Message{}, err
	}
	return Message{URL: url, Body: body, Headers: map[string]string{
		"content-type":  "application/json",
		headerID:        string(e.ID),
		headerTimestamp: strconv.FormatInt(at.Unix(), 10),
		headerSignature: signature,
	}}, nil
}
