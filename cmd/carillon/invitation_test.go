package main

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/mail"
)

// The invitation that a first start sends arrives, through the queue and the
// mail, and lets its reader in; it is nowhere but in the letter.
func TestAnInvitationArrives(t *testing.T) {
	in := install(t, func(*config) {})
	m := in.mailTo(newcomer)
	found := regexp.MustCompile(`/join#token=(civ_[0-9a-z]+)`).FindStringSubmatch(m.Text)
	if found == nil || m.Kind != "invitation" || !strings.Contains(m.Text, "Brightwater Agency") {
		t.Fatalf("%+v", m)
	}
	const api = "/api/v1"
	code, body := in.send(http.MethodPost, in.k.cfg.URL+api+"/invitations:register", nil,
		`{"token":"`+found[1]+`","name":"Nia Newcomer","password":"mist orchard velvet quarry"}`)
	if code != http.StatusCreated {
		t.Fatal(code, body)
	}
	code, body = in.send(http.MethodPost, in.k.cfg.URL+api+"/auth/login", nil, `{"email":"`+newcomer+`","password":"mist orchard velvet quarry"}`)
	if code != http.StatusOK {
		t.Fatal(code, body)
	}
	if strings.Contains(in.log.String(), found[1]) {
		t.Error("the link is in the log")
	}
}

// mailTo waits for a letter to somebody.
func (in *installation) mailTo(address string) mail.Message {
	in.t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	late := time.After(time.Minute)
	for {
		all, err := in.k.mailbox.List()
		must(in.t, err)
		for _, e := range all {
			if e.To == address {
				return mail.Message{To: e.To, Kind: e.Kind, Subject: e.Subject, Text: e.Text, HTML: e.HTML, From: e.From, ReplyTo: e.ReplyTo}
			}
		}
		select {
		case <-tick.C:
		case <-late:
			in.t.Fatal("no letter came to " + address)
		}
	}
}
