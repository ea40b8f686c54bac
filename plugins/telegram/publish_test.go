package telegram_test

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/plugins/telegram/telegramfake"
	"github.com/carillonhq/carillon/ports/social"
)

// publish drives content through every step.
func (b bench) publish(t *testing.T, c social.Content) (*social.Receipt, error) {
	t.Helper()
	req := social.PublishRequest{Call: b.Call, Account: b.Account, Content: c, Attempt: 1}
	for range 10 {
		step, err := b.Platform.Publish(t.Context(), req)
		if err != nil {
			return nil, err
		}
		if step.Receipt != nil {
			return step.Receipt, nil
		}
		req.State, req.Commit = step.Next.State, step.Next.Commit
	}
	t.Fatal("it does not end")
	return nil, nil
}

func TestAnAlbumIsOneRequest(t *testing.T) {
	b := open(t, telegramfake.Options{})
	film := b.Image
	film.Kind, film.MIME, film.Alt = social.Video, "video/mp4", "Gulls"
	first, err := b.publish(t, social.Content{Text: "The first."})
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := b.publish(t, social.Content{
		Text: "<b>Low</b> tide", Media: []social.Media{b.Image, film}, ReplyTo: &first.Ref,
		Settings: map[string]any{"parse_mode": "HTML", "silent": true, "protect": true, "topic": 7},
	})
	if err != nil {
		t.Fatal(err)
	}
	got := b.fake.Messages()[1:]
	want := []telegramfake.Message{{
		ID: 102, ReplyTo: 101, Topic: 7, Text: "<b>Low</b> tide", ParseMode: "HTML", Silent: true, Protected: true, Album: "1",
		Files: []telegramfake.File{{Field: "file0", Name: "attachment-1.png", MIME: "image/png", Bytes: b.Image.Bytes}},
	}, {
		ID: 103, Topic: 7, Silent: true, Protected: true, Album: "1",
		Files: []telegramfake.File{{Field: "file1", Name: "attachment-2.mp4", MIME: "video/mp4", Bytes: b.Image.Bytes}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if receipt.Ref.ID != "102" || receipt.Ref.URL != "https://t.me/harbour_bakery/102" || receipt.PublishedAt.IsZero() || len(receipt.Warnings) != 1 {
		t.Errorf("receipt = %+v", receipt)
	}
}

func TestLinks(t *testing.T) {
	for want, opt := range map[string]telegramfake.Options{
		"https://t.me/harbour_bakery/101": {},
		"https://t.me/c/1234567890/101":   {Private: true},
	} {
		b := open(t, opt)
		receipt, err := b.publish(t, social.Content{Text: "Bells."})
		if err != nil || receipt.Ref.URL != want {
			t.Errorf("%+v, %v, want %s", receipt, err, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	long := strings.Repeat("x", 1025)
	for name, tc := range map[string]struct {
		opt     telegramfake.Options // after connecting
		content social.Content
		kind    social.Kind
		key     string
		field   string
	}{
		"formatting that does not close": {content: social.Content{Text: "<b>x", Settings: map[string]any{"parse_mode": "HTML"}}, kind: social.Invalid, key: "telegram.formatting", field: "/content/text"},
		"formatting that is reserved":    {content: social.Content{Text: "x.", Settings: map[string]any{"parse_mode": "MarkdownV2"}}, kind: social.Invalid, key: "telegram.formatting", field: "/content/text"},
		"no formatting is read":          {content: social.Content{Text: "<b>x."}},
		"an answer to nothing":           {content: social.Content{Text: "x", ReplyTo: &social.Ref{ID: "99999"}}, kind: social.NotFound, key: "telegram.reply_gone", field: "/content/reply_to"},
		"a caption too long":             {content: social.Content{Text: long, Media: []social.Media{{Kind: social.Image}}}, kind: social.Invalid, key: "telegram.caption_too_long", field: "/content/text"},
		"a photo too large":              {content: social.Content{Media: []social.Media{{Kind: social.Image, Bytes: 11 << 20}}}, kind: social.Invalid, key: "telegram.photo_too_large", field: "/content/media"},
		"a photo too wide":               {content: social.Content{Media: []social.Media{{Kind: social.Image, Width: 9000, Height: 1001}}}, kind: social.Invalid, key: "telegram.photo_too_wide", field: "/content/media"},
		"a sound":                        {content: social.Content{Media: []social.Media{{Kind: social.Audio}}}, kind: social.Invalid, key: "telegram.content", field: "/content/media"},
		"nothing":                        {content: social.Content{}, kind: social.Invalid, key: "telegram.content", field: "/content/text"},
		"the bot was removed":            {opt: telegramfake.Options{Kicked: true}, content: social.Content{Text: "x"}, kind: social.AuthRevoked, key: "telegram.removed"},
		"the group moved":                {opt: telegramfake.Options{Migrated: true}, content: social.Content{Text: "x"}, kind: social.AuthRevoked, key: "telegram.migrated"},
		"the bot lost its rights":        {opt: telegramfake.Options{NoRights: true}, content: social.Content{Text: "x"}, kind: social.Permission, key: "telegram.rights"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, telegramfake.Options{})
			server := httptest.NewServer(telegramfake.New(tc.opt))
			t.Cleanup(server.Close)
			b.Platform = plugin(t, server.URL)
			_, err := b.publish(t, tc.content)
			if tc.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f := social.FaultOf(err, true)
			if f.Kind != tc.kind || f.Key != tc.key {
				t.Errorf("fault = %s %s (%s), want %s %s", f.Kind, f.Key, f.Upstream, tc.kind, tc.key)
			}
			if tc.field != "" && (len(f.Violations) != 1 || f.Violations[0].Field != tc.field) {
				t.Errorf("violations = %+v, want one on %s", f.Violations, tc.field)
			}
		})
	}
}

func TestSignIn(t *testing.T) {
	good := telegramfake.New(telegramfake.Options{}).Token
	for name, tc := range map[string]struct {
		opt         telegramfake.Options
		token, chat string
		kind        social.Kind
		key         string
	}{
		"no token at all":     {token: "hello", chat: "@harbour_bakery", kind: social.Invalid, key: "telegram.input"},
		"no chat":             {token: good, chat: "", kind: social.Invalid, key: "telegram.input"},
		"somebody's token":    {token: "1234567890:AAFD39kkdpWt3ywyRZergyOLMaJhac60qd", chat: "@harbour_bakery", kind: social.AuthRevoked, key: "telegram.token_revoked"},
		"another chat":        {token: good, chat: "@elsewhere", kind: social.NotFound, key: "telegram.chat_not_found"},
		"a person":            {opt: telegramfake.Options{Type: "private"}, token: good, chat: "@harbour_bakery", kind: social.Invalid, key: "telegram.private"},
		"a bot that may not":  {opt: telegramfake.Options{NoRights: true}, token: good, chat: "@harbour_bakery", kind: social.Permission, key: "telegram.rights"},
		"a bot thrown out":    {opt: telegramfake.Options{Kicked: true}, token: good, chat: "@harbour_bakery", kind: social.AuthRevoked, key: "telegram.removed"},
		"a member of a group": {opt: telegramfake.Options{NoRights: true, Type: "supergroup"}, token: good, chat: "@harbour_bakery"},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(telegramfake.New(tc.opt))
			t.Cleanup(server.Close)
			p := plugin(t, server.URL)
			step, err := p.(social.Connector).Connect(t.Context(), social.ConnectRequest{Input: map[string]string{"token": tc.token, "chat": tc.chat}})
			if err == nil {
				_, err = p.(social.Lister).Accounts(t.Context(), social.Call{Credential: *step.Done})
			}
			if tc.kind == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			f := social.FaultOf(err, false)
			if f.Kind != tc.kind || f.Key != tc.key {
				t.Errorf("fault = %s %s %q, want %s %s", f.Kind, f.Key, f.Upstream, tc.kind, tc.key)
			}
			if strings.Contains(fmt.Sprint(f, f.Upstream, f.Err), tc.token) && tc.token != "hello" {
				t.Error("the fault carries the token")
			}
		})
	}
}

// The token is in the path of every request: where nobody listens, the error of
// the transport names the address.
func TestAnUnreachableServerDoesNotSpillTheToken(t *testing.T) {
	b := open(t, telegramfake.Options{})
	b.Platform = plugin(t, "http://127.0.0.1:1")
	_, err := b.publish(t, social.Content{Text: "x"})
	f := social.FaultOf(err, true)
	if f.Kind != social.Transient || f.Source != social.FromNetwork {
		t.Errorf("fault = %+v", f)
	}
	_, err2 := b.Platform.(social.Lister).Accounts(t.Context(), b.Call)
	for _, err := range []error{err, err2, errors.Unwrap(err), f.Err} {
		if strings.Contains(fmt.Sprintf("%v %+v", err, err), b.fake.Token) {
			t.Errorf("%v carries the token", err)
		}
	}
}
