package discord_test

import (
	"net/http/httptest"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/carillonhq/carillon/plugins/discord/discordfake"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/ports/social/socialtest"
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

func TestSettings(t *testing.T) {
	picture := discordfake.File{Name: "attachment-1.png", MIME: "image/png", Alt: "Boats & nets"}
	for name, tc := range map[string]struct {
		settings map[string]any
		media    int
		want     discordfake.Message
		link     string
	}{
		"nobody is notified": {want: discordfake.Message{Channel: discordfake.ChannelID, Mentions: []string{}}},
		"who may be": {
			settings: map[string]any{"mentions": "roles"},
			want:     discordfake.Message{Channel: discordfake.ChannelID, Mentions: []string{"roles"}},
		},
		"a thread, a name, silence": {
			settings: map[string]any{"thread_id": discordfake.ThreadID, "username": "Harbour", "silent": true, "no_embeds": true},
			want:     discordfake.Message{Channel: discordfake.ThreadID, Username: "Harbour", Flags: 4100, Mentions: []string{}},
		},
		"two pictures": {
			media: 2,
			want: discordfake.Message{Channel: discordfake.ChannelID, Mentions: []string{}, Files: []discordfake.File{
				picture, {Name: "attachment-2.png", MIME: "image/png", Alt: "Boats & nets"},
			}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, discordfake.Options{})
			c := social.Content{Text: "@everyone, low tide", Settings: tc.settings}
			for range tc.media {
				c.Media = append(c.Media, b.Image)
			}
			receipt, err := b.publish(t, c)
			if err != nil {
				t.Fatal(err)
			}
			got := b.fake.Messages()[0]
			tc.want.Text = c.Text
			if diff := cmp.Diff(tc.want, got, cmpopts.IgnoreFields(discordfake.Message{}, "ID"), cmpopts.IgnoreFields(discordfake.File{}, "Bytes")); diff != "" {
				t.Error(diff)
			}
			link := "https://discord.com/channels/" + discordfake.GuildID + "/" + tc.want.Channel + "/" + got.ID
			if receipt.Ref.URL != link || time.Since(receipt.PublishedAt).Abs() > time.Hour {
				t.Errorf("receipt = %+v, want %s", receipt, link)
			}
			sets, err := b.Platform.(social.Meter).Metrics(t.Context(), social.MetricsRequest{Call: b.Call, Account: b.Account, Posts: []social.Ref{receipt.Ref}})
			if err != nil || len(sets) != 1 || sets[0].Values["likes"] != 5 {
				t.Errorf("metrics = %+v, %v", sets, err)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	for name, tc := range map[string]struct {
		opt      discordfake.Options // after connecting
		settings map[string]any
		media    bool
		kind     social.Kind
		key      string
		field    string
	}{
		"the webhook was deleted":    {opt: discordfake.Options{Deleted: true}, kind: social.AuthRevoked, key: "discord.webhook_gone"},
		"an unknown thread":          {settings: map[string]any{"thread_id": "1120000000000000009"}, kind: social.NotFound, key: "discord.thread_gone", field: "/content/settings/thread_id"},
		"a forum without a title":    {opt: discordfake.Options{Forum: true}, kind: social.Invalid, key: "discord.thread_needed", field: "/content/settings/thread_name"},
		"a forum with one":           {opt: discordfake.Options{Forum: true}, settings: map[string]any{"thread_name": "Tides"}},
		"a name that is not allowed": {settings: map[string]any{"username": "Discord"}, kind: social.Invalid, key: "discord.invalid"},
		"a file too large":           {opt: discordfake.Options{MaxFile: 10}, media: true, kind: social.Invalid, key: "discord.media_too_large", field: "/content/media"},
	} {
		t.Run(name, func(t *testing.T) {
			b := open(t, discordfake.Options{})
			server := httptest.NewServer(discordfake.New(tc.opt))
			t.Cleanup(server.Close)
			b.Platform = plugin(t, server.URL)
			c := social.Content{Text: "Low tide.", Settings: tc.settings}
			if tc.media {
				c.Media = []social.Media{b.Image}
			}
			_, err := b.publish(t, c)
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

// A limit is waited out for as long as the body says, which is finer than the header.
func TestRateLimit(t *testing.T) {
	b := open(t, discordfake.Options{})
	b.fake.Trouble(string(socialtest.Limit))
	_, err := b.publish(t, social.Content{Text: "x"})
	if f := social.FaultOf(err, true); f.Kind != social.RateLimited || f.RetryAfter != 2400*time.Millisecond || f.Scope != social.ScopeAccount {
		t.Errorf("fault = %+v", f)
	}
}

func TestSignIn(t *testing.T) {
	b := open(t, discordfake.Options{})
	for name, url := range map[string]string{
		"not an address":      "hello",
		"another host":        "https://discord.com.evil.example/api/webhooks/1130000000000000001/kkdpWt3ywyRZergyOLMaJhac60qc",
		"another path":        "https://discord.com/api/oauth2/1130000000000000001/kkdpWt3ywyRZergyOLMaJhac60qc",
		"with a user":         "https://x@discord.com/api/webhooks/1130000000000000001/kkdpWt3ywyRZergyOLMaJhac60qc",
		"a path in the token": "https://discord.com/api/webhooks/1130000000000000001/kkdpWt3ywyRZergyOLMaJhac60qc/../x",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.Platform.(social.Connector).Connect(t.Context(), social.ConnectRequest{Input: map[string]string{"url": url}})
			if f := social.FaultOf(err, false); err == nil || f.Kind != social.Invalid || f.Violations[0].Field != "/input/url" {
				t.Errorf("err = %v", err)
			}
		})
	}
	if a := b.Account; a.ID != discordfake.WebhookID || a.Name != "Bells" || a.Public["guild"] != discordfake.GuildID || a.Type != "channel" {
		t.Errorf("account = %+v", a)
	}
}
