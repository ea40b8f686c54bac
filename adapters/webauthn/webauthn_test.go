package webauthn_test

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/webauthn"
	"github.com/carillonhq/carillon/adapters/webauthn/webauthntest"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
)

const origin = "https://app.example.org"

var (
	here = webauthn.PartyOf("Carillon", "app.example.org", origin)
	ann  = &identity.User{ID: "usr_01ann", Email: "ann@example.org", Name: "Ann"}
	bob  = &identity.User{ID: "usr_01bob", Email: "bob@example.org", Name: "Bob"}
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// enrol gives user a passkey on a device.
func enrol(t *testing.T, d *webauthntest.Device, user *identity.User) *identity.Passkey {
	t.Helper()
	var c webauthn.Ceremonies
	options, state, err := c.Create(here, user, nil)
	must(t, err)
	answer, err := d.Create(origin, options)
	must(t, err)
	credential, record, err := c.Created(here, user, state, answer)
	must(t, err)
	return &identity.Passkey{User: user.ID, Party: here.ID, Credential: credential, Record: record}
}

func TestAPasskeySignsIn(t *testing.T) {
	var c webauthn.Ceremonies
	d := new(webauthntest.Device)
	k := enrol(t, d, ann)
	for name, who := range map[string]*identity.User{"whoever it is": nil, "somebody known": ann} {
		options, state, err := c.Ask(here, who, []identity.Passkey{*k})
		must(t, err)
		answer, err := d.Get(origin, options)
		must(t, err)
		if id, err := c.Named(answer); err != nil || string(id) != string(k.Credential) {
			t.Errorf("%s: named %x, %v", name, id, err)
		}
		record, suspect, err := c.Check(here, k, state, answer)
		if err != nil || suspect {
			t.Fatalf("%s: suspect %v, %v", name, suspect, err)
		}
		k.Record = record
	}
}

// An answer fits one question, one page, one party, one person and one key.
func TestWhatDoesNotFit(t *testing.T) {
	var c webauthn.Ceremonies
	elsewhere := webauthn.PartyOf("Carillon", "other.example.org", "https://other.example.org")
	type scene struct {
		d           *webauthntest.Device
		k           *identity.Passkey
		party       identity.Party
		origin      string
		state, said []byte
	}
	for name, change := range map[string]func(t *testing.T, s *scene){
		"another question": func(t *testing.T, s *scene) {
			_, state, err := c.Ask(here, nil, nil)
			must(t, err)
			s.state = state
		},
		"another page":  func(_ *testing.T, s *scene) { s.origin = "https://evil.example.org" },
		"another party": func(_ *testing.T, s *scene) { s.party = elsewhere },
		"another person's": func(t *testing.T, s *scene) {
			k := *s.k
			k.User = bob.ID
			s.k = &k
		},
		"another key": func(t *testing.T, s *scene) {
			k := enrol(t, new(webauthntest.Device), ann)
			s.k = k
		},
		"nobody touched it":  func(_ *testing.T, s *scene) { s.d.Unverified = true },
		"changed on the way": func(_ *testing.T, s *scene) { s.said = []byte("x") },
	} {
		t.Run(name, func(t *testing.T) {
			s := &scene{d: new(webauthntest.Device), party: here, origin: origin}
			s.k = enrol(t, s.d, ann)
			options, state, err := c.Ask(here, nil, nil)
			must(t, err)
			s.state = state
			change(t, s)
			answer, err := s.d.Get(s.origin, options)
			must(t, err)
			if s.said != nil {
				answer = []byte(strings.Replace(string(answer), `"signature":"M`, `"signature":"N`, 1))
			}
			if _, _, err := c.Check(s.party, s.k, s.state, answer); !fault.Is(err, fault.Invalid) {
				t.Errorf("err = %v", err)
			}
		})
	}
}

// A key that is not among those asked for answers nothing, though it is the
// person's own.
func TestOnlyWhatWasAskedFor(t *testing.T) {
	var c webauthn.Ceremonies
	first, second := new(webauthntest.Device), new(webauthntest.Device)
	k1, k2 := enrol(t, first, ann), enrol(t, second, ann)
	options, state, err := c.Ask(here, ann, []identity.Passkey{*k1})
	must(t, err)
	if _, err := second.Get(origin, options); err == nil {
		t.Error("the other device answered")
	}
	answer, err := first.Get(origin, options)
	must(t, err)
	if _, _, err := c.Check(here, k2, state, answer); !fault.Is(err, fault.Invalid) {
		t.Errorf("err = %v", err)
	}
}

func TestACopyIsNoticed(t *testing.T) {
	var c webauthn.Ceremonies
	d := new(webauthntest.Device)
	k := enrol(t, d, ann)
	twin := d.Clone()
	use := func(d *webauthntest.Device) (suspect bool) {
		options, state, err := c.Ask(here, nil, nil)
		must(t, err)
		answer, err := d.Get(origin, options)
		must(t, err)
		record, suspect, err := c.Check(here, k, state, answer)
		must(t, err)
		k.Record = record
		return suspect
	}
	for range 2 {
		if use(d) {
			t.Error("the device itself is suspect")
		}
	}
	if !use(twin) {
		t.Error("the copy is not noticed")
	}
}

func TestADeviceIsAskedOnce(t *testing.T) {
	var c webauthn.Ceremonies
	d := new(webauthntest.Device)
	k := enrol(t, d, ann)
	options, _, err := c.Create(here, ann, []identity.Passkey{*k})
	must(t, err)
	if _, err := d.Create(origin, options); err == nil {
		t.Error("it made a second one")
	}
}

func TestADeviceThatAsksForNothingIsRefused(t *testing.T) {
	var c webauthn.Ceremonies
	options, state, err := c.Create(here, ann, nil)
	must(t, err)
	answer, err := (&webauthntest.Device{Unverified: true}).Create(origin, options)
	must(t, err)
	if _, _, err := c.Created(here, ann, state, answer); !fault.Is(err, fault.Invalid) {
		t.Errorf("err = %v", err)
	}
}

func TestPartyOf(t *testing.T) {
	for host, want := range map[string]string{
		"app.example.org": "app.example.org", "localhost": "localhost", "127.0.0.1": "", "::1": "", "": "",
	} {
		if got := webauthn.PartyOf("Carillon", host, "https://"+host); got.ID != want {
			t.Errorf("%q: %+v", host, got)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	var c webauthn.Ceremonies
	d := new(webauthntest.Device)
	options, created, err := c.Create(here, ann, nil)
	if err != nil {
		f.Fatal(err)
	}
	answer, err := d.Create(origin, options)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(answer)
	f.Add([]byte(`{"id":"AA","rawId":"AA","type":"public-key","response":{}}`))
	f.Fuzz(func(t *testing.T, said []byte) {
		if _, _, err := c.Created(here, ann, created, said); err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("err = %v", err)
		}
		if _, err := c.Named(said); err != nil && !fault.Is(err, fault.Invalid) {
			t.Errorf("err = %v", err)
		}
	})
}
