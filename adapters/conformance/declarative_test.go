package conformance_test

import (
	"net/http"
	"strconv"
	"testing"

	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/plugins/discord/discordfake"
	"github.com/carillonhq/carillon/plugins/telegram/telegramfake"
)

func telegramOptions(t *testing.T) rehearsal.Options {
	t.Helper()
	fake := telegramfake.New(telegramfake.Options{})
	fake.Another = "5948372615:BBGE40llequXu4zxzSFshzPMKbidb71re"
	up := listen(t, fake, func() []rehearsal.Object {
		var out []rehearsal.Object
		for _, m := range fake.Messages() {
			out = append(out, rehearsal.Object{ID: strconv.Itoa(m.ID), Text: m.Text})
		}
		return out
	})
	chat := "@" + telegramfake.Username
	s := rehearsal.Settings{
		Connect: []map[string]string{{"token": fake.Token, "chat": chat}},
		Answers: map[string]rehearsal.Answer{},
	}
	for name, said := range map[string]string{
		"401": "Unauthorized", "403": "Forbidden: bot was kicked from the channel chat", "404": "Bad Request: chat not found",
		"422": "Bad Request: message is too long", "429": "Too Many Requests: retry after 7", "duplicate": "Conflict",
	} {
		status, parameters := map[string]int{"404": http.StatusBadRequest, "422": http.StatusBadRequest}[name], ""
		if name == "429" {
			parameters = `,"parameters":{"retry_after":7}`
		}
		s.Answers[name] = rehearsal.Answer{Status: status, Body: `{"ok":false,"description":"` + said + `"` + parameters + `}`}
	}
	for _, token := range []string{fake.Token, fake.Another} {
		a := account(strconv.Itoa(telegramfake.ChatID), "", map[string]string{"chat": chat, "username": telegramfake.Username})
		a.Credential.Secrets = map[string]string{"token": token}
		s.Accounts = append(s.Accounts, a)
	}
	return rehearsal.Options{Program: rehearsal.Program{Name: "telegram"}, Self: self, Settings: s, Upstream: up}
}

func discordOptions(t *testing.T) rehearsal.Options {
	t.Helper()
	fake := discordfake.New(discordfake.Options{})
	fake.Another = "llequXu4zxzSFshzPMKbidb71re-BBGE40_llequXu4zxzSFshzPMKbidb71reBBGE40"
	up := listen(t, fake, func() []rehearsal.Object {
		var out []rehearsal.Object
		for _, m := range fake.Messages() {
			out = append(out, rehearsal.Object{ID: m.ID, Text: m.Text})
		}
		return out
	})
	s := rehearsal.Settings{
		Connect: []map[string]string{{"url": fake.URL()}},
		Answers: map[string]rehearsal.Answer{
			"401": {Body: `{"code":50027,"message":"Invalid Webhook Token"}`},
			"403": {Body: `{"code":50013,"message":"Missing Permissions"}`},
			"404": {Body: `{"code":10003,"message":"Unknown Channel"}`},
			"422": {Status: http.StatusBadRequest, Body: `{"code":50035,"message":"Invalid Form Body","errors":{"content":{}}}`},
			"429": {Body: `{"message":"You are being rate limited.","retry_after":7.0,"global":false}`},
		},
	}
	for _, token := range []string{fake.Token, fake.Another} {
		at := map[string]string{"id": discordfake.WebhookID, "guild": discordfake.GuildID, "channel": discordfake.ChannelID}
		a := account(discordfake.WebhookID, "", at)
		a.Credential.Secrets = map[string]string{"token": token}
		s.Accounts = append(s.Accounts, a)
	}
	return rehearsal.Options{Program: rehearsal.Program{Name: "discord"}, Self: self, Settings: s, Upstream: up}
}
