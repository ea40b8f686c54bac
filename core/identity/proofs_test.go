package identity_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/secret"
)

// apps are authenticator apps whose code is the number of the step.
type apps struct{}

func (apps) Secret() []byte { return []byte("shared") }

func (apps) Enrol(account string, secret []byte) (typed, uri string, picture []byte, err error) {
	return string(secret), "otpauth://totp/" + account + "?secret=" + string(secret), []byte("picture"), nil
}

func (apps) Step(secret []byte, code string, now time.Time) (int64, bool) {
	at := now.Unix() / 30
	for s := at + 1; s >= at-1; s-- {
		if string(secret) == "shared" && code == fmt.Sprint(s) {
			return s, true
		}
	}
	return 0, false
}

// code is what an app shows at a time.
func codeAt(at time.Time) secret.Secret { return secret.Secret(fmt.Sprint(at.Unix() / 30)) }

// safe seals by saying what for, and counts.
type safe struct{ opened int }

func (*safe) Seal(_ context.Context, place string, plain []byte) ([]byte, error) {
	return []byte(place + "|" + strings.ToUpper(string(plain))), nil
}

func (s *safe) Open(_ context.Context, place string, sealed []byte) ([]byte, error) {
	s.opened++
	text, ok := strings.CutPrefix(string(sealed), place+"|")
	if !ok {
		return nil, fault.New(fault.Internal, "vault.bad_entry", "No.")
	}
	return []byte(strings.ToLower(text)), nil
}

func party(_ context.Context, host string) (identity.Party, error) {
	if host == "" {
		return identity.Party{}, nil
	}
	return identity.Party{ID: host, Name: "Carillon", Origins: []string{"https://" + host}}, nil
}

// touches are passkeys without mathematics. An answer says the question, the
// key and a counter.
type touches struct{}

type question struct{ Party, User, Number string }

type touch struct {
	Question question
	Key      string
	Count    int
}

var questions int

func ask(p identity.Party, user *identity.User) (options, state []byte, err error) {
	questions++
	q := question{Party: p.ID, Number: fmt.Sprint(questions)}
	if user != nil {
		q.User = string(user.ID)
	}
	options, err = json.Marshal(q)
	return options, options, err
}

func (touches) Create(p identity.Party, user *identity.User, _ []identity.Passkey) (options, state []byte, err error) {
	return ask(p, user)
}

func (touches) Ask(p identity.Party, user *identity.User, _ []identity.Passkey) (options, state []byte, err error) {
	return ask(p, user)
}

// answer is what a device with key says to options at its n-th use.
func answer(options []byte, key string, n int) []byte {
	var t touch
	if err := json.Unmarshal(options, &t.Question); err != nil {
		panic(err)
	}
	t.Key, t.Count = key, n
	out, _ := json.Marshal(t)
	return out
}

func read(p identity.Party, state, answer []byte) (t touch, err error) {
	var q question
	if json.Unmarshal(state, &q) != nil || json.Unmarshal(answer, &t) != nil || t.Question != q || q.Party != p.ID {
		return t, fault.New(fault.Invalid, "passkey.wrong", "No.")
	}
	return t, nil
}

func (touches) Created(p identity.Party, _ *identity.User, state, answer []byte) (credential, record []byte, err error) {
	t, err := read(p, state, answer)
	return []byte(t.Key), []byte(fmt.Sprint(t.Count)), err
}

func (touches) Named(answer []byte) ([]byte, error) {
	var t touch
	err := json.Unmarshal(answer, &t)
	return []byte(t.Key), err
}

func (touches) Check(p identity.Party, k *identity.Passkey, state, answer []byte) (record []byte, suspect bool, err error) {
	t, err := read(p, state, answer)
	if err != nil || t.Key != string(k.Credential) {
		return nil, false, fault.New(fault.Invalid, "passkey.wrong", "No.")
	}
	var before int
	_, _ = fmt.Sscan(string(k.Record), &before)
	return []byte(fmt.Sprint(max(before, t.Count))), t.Count <= before, nil
}
