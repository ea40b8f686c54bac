// Package webauthn asks for passkeys and checks them (WebAuthn level 3).
//
// A passkey here is a discoverable credential that asks for a finger, a face or
// a PIN: both are required when it is made, so each can sign people in by
// itself. Who made the device is not asked (attestation none): it would tell
// more about a person than this product wants to know.
//
// Ceremonies implements identity.Passkeys and remembers nothing between a
// question and its answer. The state it returns does, and whoever keeps that
// must let it be answered once.
package webauthn

import (
	"encoding/json"
	"slices"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
)

// maxAnswer is longer than any answer of a browser without attestation, in
// bytes.
const maxAnswer = 16 << 10

// Ceremonies is the two ceremonies. Its zero value is ready to use, from any
// number of goroutines.
type Ceremonies struct{}

var _ identity.Passkeys = Ceremonies{}

func party(p identity.Party) (*webauthn.WebAuthn, error) {
	return webauthn.New(&webauthn.Config{
		RPID: p.ID, RPDisplayName: p.Name, RPOrigins: p.Origins,
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
	})
}

// Create implements identity.Passkeys.
func (Ceremonies) Create(p identity.Party, user *identity.User, have []identity.Passkey) (options, state []byte, err error) {
	rp, err := party(p)
	if err != nil {
		return nil, nil, err
	}
	who, err := ownerOf(user, have)
	if err != nil {
		return nil, nil, err
	}
	asked, session, err := rp.BeginRegistration(who, webauthn.WithExclusions(descriptors(who.keys)))
	if err != nil {
		return nil, nil, err
	}
	return pack(asked.Response, session)
}

// Created implements identity.Passkeys.
func (Ceremonies) Created(p identity.Party, user *identity.User, state, answer []byte) (credential, record []byte, err error) {
	rp, err := party(p)
	if err != nil {
		return nil, nil, err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return nil, nil, err
	}
	if len(answer) > maxAnswer {
		return nil, nil, wrong(nil)
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(answer)
	if err != nil {
		return nil, nil, wrong(err)
	}
	made, err := rp.CreateCredential(owner{user: user}, session, parsed)
	if err != nil {
		return nil, nil, wrong(err)
	}
	record, err = recordOf(made)
	return made.ID, record, err
}

// Ask implements identity.Passkeys.
func (Ceremonies) Ask(p identity.Party, user *identity.User, have []identity.Passkey) (options, state []byte, err error) {
	rp, err := party(p)
	if err != nil {
		return nil, nil, err
	}
	if user == nil {
		asked, session, err := rp.BeginDiscoverableLogin()
		if err != nil {
			return nil, nil, err
		}
		return pack(asked.Response, session)
	}
	who, err := ownerOf(user, have)
	if err != nil {
		return nil, nil, err
	}
	asked, session, err := rp.BeginLogin(who)
	if err != nil {
		return nil, nil, err
	}
	return pack(asked.Response, session)
}

// Named implements identity.Passkeys.
func (Ceremonies) Named(answer []byte) ([]byte, error) {
	if len(answer) > maxAnswer {
		return nil, wrong(nil)
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, wrong(err)
	}
	return parsed.RawID, nil
}

// Check implements identity.Passkeys.
func (Ceremonies) Check(p identity.Party, k *identity.Passkey, state, answer []byte) (record []byte, suspect bool, err error) {
	rp, err := party(p)
	if err != nil {
		return nil, false, err
	}
	var session webauthn.SessionData
	if err := json.Unmarshal(state, &session); err != nil {
		return nil, false, err
	}
	who, err := ownerOf(&identity.User{ID: k.User}, []identity.Passkey{*k})
	if err != nil {
		return nil, false, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(answer)
	if err != nil {
		return nil, false, wrong(err)
	}
	seen, err := check(rp, session, who, parsed)
	if err != nil {
		return nil, false, wrong(err)
	}
	suspect = seen.Authenticator.CloneWarning
	record, err = recordOf(seen)
	return record, suspect, err
}

// check is for whoever answers, or for one of the keys that were asked for.
func check(rp *webauthn.WebAuthn, session webauthn.SessionData, who owner, parsed *protocol.ParsedCredentialAssertionData) (*webauthn.Credential, error) {
	if len(session.UserID) == 0 {
		_, seen, err := rp.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
			if string(handle) != string(who.user.ID) {
				return nil, errOther
			}
			return who, nil
		}, session, parsed)
		return seen, err
	}
	asked := func(id []byte) bool { return string(id) == string(who.keys[0].ID) }
	if !slices.ContainsFunc(session.AllowedCredentialIDs, asked) {
		return nil, errOther
	}
	session.AllowedCredentialIDs = [][]byte{who.keys[0].ID}
	return rp.ValidateLogin(who, session, parsed)
}

var errOther = fault.New(fault.Invalid, "passkey.wrong", "This passkey does not fit. Try again, or another way.").On("/passkey")

func wrong(cause error) error {
	return fault.New(fault.Invalid, "passkey.wrong", "This passkey does not fit. Try again, or another way.").On("/passkey").Because(cause)
}

// owner is a person as the library wants them. The handle that devices keep is
// the person's name here, which says nothing about them.
type owner struct {
	user *identity.User
	keys []webauthn.Credential
}

func ownerOf(user *identity.User, have []identity.Passkey) (owner, error) {
	who := owner{user: user}
	for _, k := range have {
		var c webauthn.Credential
		if err := json.Unmarshal(k.Record, &c); err != nil {
			return who, fault.New(fault.Internal, "passkey.record", "Something went wrong on our side.").Because(err)
		}
		who.keys = append(who.keys, c)
	}
	return who, nil
}

func (o owner) WebAuthnID() []byte { return []byte(o.user.ID) }

func (o owner) WebAuthnName() string { return o.user.Email }

func (o owner) WebAuthnDisplayName() string { return o.user.Name }

func (o owner) WebAuthnCredentials() []webauthn.Credential { return o.keys }

func descriptors(keys []webauthn.Credential) []protocol.CredentialDescriptor {
	list := make([]protocol.CredentialDescriptor, len(keys))
	for i := range keys {
		list[i] = keys[i].Descriptor()
	}
	return list
}

// recordOf is what is kept of a credential: not how it was attested, which
// nobody checks again, nor that it raised suspicion once.
func recordOf(c *webauthn.Credential) ([]byte, error) {
	c.Attestation = webauthn.CredentialAttestation{}
	c.Authenticator.CloneWarning = false
	return json.Marshal(c)
}

func pack(asked any, session *webauthn.SessionData) (options, state []byte, err error) {
	if options, err = json.Marshal(asked); err != nil {
		return nil, nil, err
	}
	state, err = json.Marshal(session)
	return options, state, err
}

// PartyOf says who asks for passkeys on the pages of origin, such as
// "https://app.example.org". The zero Party means that none can: passkeys are
// made for names, and host is an address.
func PartyOf(name, host, origin string) identity.Party {
	if protocol.ValidateRPID(host) != nil {
		return identity.Party{}
	}
	return identity.Party{ID: host, Name: name, Origins: []string{origin}}
}
