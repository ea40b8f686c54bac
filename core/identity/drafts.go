package identity

import (
	"time"

	"github.com/carillonhq/carillon/ports/mail"
	"github.com/carillonhq/carillon/tenants/letters"
)

// draft is the words of a letter. Nothing that a stranger typed appears in
// one: else a registration could make this product mail anything to anyone.
type draft struct {
	Subject string
	Before  string // the paragraph above the link
	Label   string // of the link
	Link    string
	After   string // the paragraph below it
}

func verifyDraft(link string, asked time.Time) *draft {
	return &draft{
		Subject: "Confirm your e-mail address",
		Before: "Somebody, probably you, asked for a {product} account with this address on " + asked.UTC().Format("2 January 2006 at 15:04 UTC") +
			". Follow the link and give the password you chose then. It works once, within 24 hours.",
		Label: "Confirm this address", Link: link,
		After: "If it was not you, there is nothing to do: without the link and the password there will be no account.",
	}
}

func severalDraft(links string) *draft {
	return &draft{
		Subject: "Please register again",
		Before:  "A {product} account was asked for with this address more than once, perhaps not always by you. Follow the link in the mail that came when you registered. If you no longer have it, register again and follow the one that comes then.",
		Label:   "Register", Link: links + "/register",
		After: "If you expected no such mail, there is nothing to do.",
	}
}

func knownDraft(links string) *draft {
	return &draft{
		Subject: "You already have an account",
		Before:  "Somebody, probably you, asked for a {product} account with this address. There is one already, and nothing about it has changed. Sign in, or choose a new password if you have forgotten yours.",
		Label:   "Sign in", Link: links + "/login",
		After: "If it was not you, there is nothing to do.",
	}
}

func resetDraft(link string) *draft {
	return &draft{
		Subject: "Choose a new password",
		Before:  "Somebody, probably you, has forgotten the password of your {product} account. Follow the link to choose a new one. It works once, within 30 minutes, and signs you out everywhere.",
		Label:   "Choose a new password", Link: link,
		After: "If it was not you, there is nothing to do: your password stays as it is.",
	}
}

func invitedDraft(link string) *draft {
	return &draft{
		Subject: "Choose a password",
		Before:  "The people who run this service made a {product} account for this address. Follow the link to choose its password. It works once, within 24 hours; after that, ask for a new password where you sign in.",
		Label:   "Choose a password", Link: link,
		After: "If you expected no such mail, there is nothing to do.",
	}
}

func changedDraft() *draft {
	return &draft{
		Subject: "Your password was changed",
		Before:  "The password of your {product} account has just been changed, and your other sessions were signed out.",
		After:   "If it was not you, choose a new password now, and write to the people who run this service.",
	}
}

func deviceDraft(l Letter, link string) *draft {
	return &draft{
		Subject: "A new device has signed in",
		Before: "Somebody, probably you, has just signed in to your {product} account on a device that it did not know: " + l.Device + ", in the network " +
			l.Place + ", on " + l.At.UTC().Format("2 January 2006 at 15:04 UTC") + ". If it was not you, follow the link: it signs that device out.",
		Label: "It was not me", Link: link,
		After: "Then choose a new password. If it was you, there is nothing to do.",
	}
}

// factorWords is what letters say of each change.
var factorWords = map[FactorChange][2]string{
	TOTPAdded:       {"An authenticator app was added", "An authenticator app was added to your {product} account. From now on signing in by password asks for a code of it."},
	TOTPRemoved:     {"The authenticator app was removed", "The authenticator app was removed from your {product} account."},
	PasskeyAdded:    {"A passkey was added", "A passkey was added to your {product} account. It signs you in by itself, and signing in by password asks for it."},
	PasskeyRemoved:  {"A passkey was removed", "A passkey was removed from your {product} account."},
	PasskeySuspect:  {"A passkey was switched off", "A passkey of your {product} account was used in a way that hints at a copy of it. It was switched off. Remove it from your account, and add another."},
	RecoveryUsed:    {"A recovery code was used", "A recovery code of your {product} account was used in place of your second factor. It does not work again."},
	RecoveryRenewed: {"New recovery codes were made", "New recovery codes were made for your {product} account. The old ones no longer work."},
}

func factorDraft(what FactorChange) *draft {
	words := factorWords[what]
	return &draft{
		Subject: words[0], Before: words[1],
		After: "If it was not you, choose a new password now, look at your sessions, and write to the people who run this service.",
	}
}

// provider is the operator's word for it, and no stranger's.
func linkedDraft(provider string) *draft {
	return &draft{
		Subject: "You can sign in with " + provider + " now",
		Before:  "An account at " + provider + " has just been linked to your {product} account, and signs you in from now on.",
		After:   "If it was not you, sign in, unlink it and choose a new password, and write to the people who run this service.",
	}
}

func unlinkedDraft(provider string) *draft {
	return &draft{
		Subject: "You no longer sign in with " + provider,
		Before:  "An account at " + provider + " has just been unlinked from your {product} account, and your other sessions were signed out.",
		After:   "If it was not you, choose a new password now, and write to the people who run this service.",
	}
}

// message is the letter as it is sent, under a head.
func (d *draft) message(l Letter, h letters.Head) (mail.Message, error) {
	return letters.Letter{
		ID: l.ID, Kind: string(l.Kind), To: l.Email, Subject: d.Subject, Before: d.Before, Label: d.Label, Link: d.Link, After: d.After,
	}.Under(h)
}
