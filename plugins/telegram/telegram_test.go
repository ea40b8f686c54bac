package telegram_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/telegram"
	"github.com/carillonhq/carillon/plugins/telegram/telegramfake"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

func TestContract(t *testing.T) {
	for name, opt := range map[string]telegramfake.Options{
		"a public channel": {}, "a private channel": {Private: true}, "a group": {Type: "supergroup"},
	} {
		t.Run(name, func(t *testing.T) {
			socialtest.Run(t, func(t *testing.T) socialtest.Harness { return open(t, opt).Harness })
		})
	}
}

// bench is the plugin with its server and a connected chat.
type bench struct {
	socialtest.Harness
	fake *telegramfake.Server
	url  string
}

func open(t *testing.T, opt telegramfake.Options) bench {
	t.Helper()
	fake := telegramfake.New(opt)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	plugin := plugin(t, server.URL)
	call := social.Call{Credential: signIn(t, plugin, fake.Token, chatOf(opt))}
	accounts, err := plugin.(social.Lister).Accounts(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	return bench{fake: fake, url: server.URL, Harness: socialtest.Harness{
		Platform: plugin, Server: back{fake}, Account: accounts[0], Call: call, Image: picture(t),
		TooLong: strings.Repeat("🔔", 2049), Lasting: true,
	}}
}

func plugin(t *testing.T, url string) social.Platform {
	t.Helper()
	p, err := telegram.New(declarative.Options{HTTP: http.DefaultClient, Upstream: map[string]string{"api.telegram.org": url}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func chatOf(opt telegramfake.Options) string {
	if opt.Private {
		return strconv.Itoa(telegramfake.ChatID)
	}
	return "@" + telegramfake.Username
}

func signIn(t *testing.T, p social.Platform, token, chat string) social.Credential {
	t.Helper()
	step, err := p.(social.Connector).Connect(t.Context(), social.ConnectRequest{Input: map[string]string{"token": " " + token, "chat": chat}})
	if err != nil {
		t.Fatal(err)
	}
	if step.Done == nil || step.Done.Secrets["token"] != token || step.Done.Public["token"] != "" {
		t.Fatalf("not signed in as asked: %+v", step.Done)
	}
	return *step.Done
}

type back struct{ *telegramfake.Server }

func (b back) Trouble(t socialtest.Trouble) { b.Server.Trouble(string(t)) }

func (b back) Objects() []socialtest.Object {
	var list []socialtest.Object
	for _, m := range b.Messages() {
		o := socialtest.Object{ID: strconv.Itoa(m.ID), Text: m.Text}
		if m.ReplyTo != 0 {
			o.ReplyTo = strconv.Itoa(m.ReplyTo)
		}
		for range m.Files {
			o.Alts = append(o.Alts, "") // Telegram keeps none
		}
		list = append(list, o)
	}
	return list
}

// picture is an attachment served as the host's gateway does.
func picture(t *testing.T) social.Media {
	t.Helper()
	var raw bytes.Buffer
	if err := png.Encode(&raw, image.NewGray(image.Rect(0, 0, 40, 30))); err != nil {
		t.Fatal(err)
	}
	gateway := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "boats.png", time.Time{}, bytes.NewReader(raw.Bytes()))
	}))
	t.Cleanup(gateway.Close)
	return social.Media{
		ID: "med_1", Kind: social.Image, MIME: "image/png", Bytes: int64(raw.Len()), Width: 40, Height: 30, URL: gateway.URL + "/boats.png",
	}
}
