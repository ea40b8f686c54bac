package discord_test

import (
	"bytes"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/discord"
	"github.com/carillonhq/carillon/plugins/discord/discordfake"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
)

func TestContract(t *testing.T) {
	socialtest.Run(t, func(t *testing.T) socialtest.Harness { return open(t, discordfake.Options{}).Harness })
}

// bench is the plugin with its server and a connected channel.
type bench struct {
	socialtest.Harness
	fake *discordfake.Server
	url  string
}

func open(t *testing.T, opt discordfake.Options) bench {
	t.Helper()
	fake := discordfake.New(opt)
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	plugin := plugin(t, server.URL)
	call := social.Call{Credential: signIn(t, plugin, fake.URL())}
	accounts, err := plugin.(social.Lister).Accounts(t.Context(), call)
	if err != nil {
		t.Fatal(err)
	}
	return bench{fake: fake, url: server.URL, Harness: socialtest.Harness{
		Platform: plugin, Server: back{fake}, Account: accounts[0], Call: call, Image: picture(t),
		TooLong: strings.Repeat("é", 2001), Lasting: true,
	}}
}

func plugin(t *testing.T, url string) social.Platform {
	t.Helper()
	p, err := discord.New(declarative.Options{HTTP: http.DefaultClient, Upstream: map[string]string{"discord.com": url}})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func signIn(t *testing.T, p social.Platform, webhook string) social.Credential {
	t.Helper()
	step, err := p.(social.Connector).Connect(t.Context(), social.ConnectRequest{Input: map[string]string{"url": webhook}})
	if err != nil {
		t.Fatal(err)
	}
	if step.Done == nil || step.Done.Secrets["token"] == "" || step.Done.Public["id"] != discordfake.WebhookID {
		t.Fatalf("not signed in as asked: %+v", step.Done)
	}
	return *step.Done
}

type back struct{ *discordfake.Server }

func (b back) Trouble(t socialtest.Trouble) { b.Server.Trouble(string(t)) }

func (b back) Objects() []socialtest.Object {
	var list []socialtest.Object
	for _, m := range b.Messages() {
		o := socialtest.Object{ID: m.ID, Text: m.Text}
		for _, f := range m.Files {
			o.Alts = append(o.Alts, f.Alt)
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
		ID: "med_1", Kind: social.Image, MIME: "image/png", Bytes: int64(raw.Len()), Width: 40, Height: 30,
		Alt: "Boats & nets", URL: gateway.URL + "/boats.png",
	}
}
