package mastodon

import (
	"context"
	"errors"
	"regexp"
	"strings"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// instance is what a server says of itself, by API v2 or v1.
type instance struct {
	Version       string `json:"version"`
	SourceURL     string `json:"source_url"`
	Configuration struct {
		Statuses struct {
			MaxCharacters  int `json:"max_characters"`
			MaxAttachments int `json:"max_media_attachments"`
			PerURL         int `json:"characters_reserved_per_url"`
		} `json:"statuses"`
		Media struct {
			Description int   `json:"description_limit"`
			ImageSize   int64 `json:"image_size_limit"`
			VideoSize   int64 `json:"video_size_limit"`
		} `json:"media_attachments"`
	} `json:"configuration"`
	MaxTootChars int `json:"max_toot_chars"` // Pleroma's, in v1
}

// Accounts implements social.Lister: the one account of the token, with its
// server's limits and how a lost commit is settled there.
func (m *Mastodon) Accounts(ctx context.Context, call social.Call) ([]social.Account, error) {
	var me struct {
		ID          string `json:"id"`
		Username    string `json:"username"`
		DisplayName string `json:"display_name"`
		URL         string `json:"url"`
		Avatar      string `json:"avatar"`
	}
	if err := m.get(ctx, call, "/api/v1/accounts/verify_credentials", &me); err != nil {
		return nil, err
	}
	server, err := m.instance(ctx, call)
	if err != nil {
		return nil, err
	}
	host := sdk.InstanceHost(call.Credential.Public["instance"])
	name := me.DisplayName
	if name == "" {
		name = me.Username
	}
	return []social.Account{{
		ID: me.ID, Handle: "@" + me.Username + "@" + host, Name: name, URL: me.URL, AvatarURL: me.Avatar, Type: "profile",
		Limits: server.limits(),
		Public: map[string]string{"instance": call.Credential.Public["instance"], "version": server.Version, "dedup": string(server.dedup())},
	}}, nil
}

// instance asks the newer API first. A server with neither is taken to be a
// stock one that cannot be trusted with keys.
func (m *Mastodon) instance(ctx context.Context, call social.Call) (instance, error) {
	for _, path := range []string{"/api/v2/instance", "/api/v1/instance"} {
		var server instance
		err := m.get(ctx, call, path, &server)
		var f *social.Fault
		switch {
		case err == nil:
			return server, nil
		case errors.As(err, &f) && f.HTTPStatus != 404 && f.HTTPStatus != 410 && f.HTTPStatus != 501:
			return instance{}, err
		}
	}
	return instance{}, nil
}

func (i instance) limits() *social.Limits {
	c := i.Configuration
	return &social.Limits{
		MaxText: max(c.Statuses.MaxCharacters, i.MaxTootChars), MaxMedia: c.Statuses.MaxAttachments, URLWeight: c.Statuses.PerURL,
		MaxMediaBytes: max(c.Media.ImageSize, c.Media.VideoSize), MaxAlt: c.Media.Description,
	}
}

// stock matches the versions of Mastodon itself and of forks that keep its
// core. Other servers give "4.2.0 (compatible; …)" or "4.5.0+gotosocial-…".
var stock = regexp.MustCompile(`^([2-9]|\d\d)\.\d+\.\d+(-[a-z]+[0-9.]*)?(\+(glitch|hometown)[0-9A-Za-z.-]*)?$`)

// dedup is the recovery class of accounts on this server. Only a server that
// both names Mastodon's source and carries its version is trusted to remember
// keys; being wrong here would publish twice.
func (i instance) dedup() social.Dedup {
	source := strings.TrimSuffix(strings.ToLower(i.SourceURL), "/")
	for _, known := range []string{"https://github.com/mastodon/mastodon", "https://github.com/glitch-soc/mastodon", "https://github.com/hometown-fork/hometown"} {
		if (source == known || strings.HasPrefix(source, known+"/tree/")) && stock.MatchString(i.Version) {
			return social.NativeKey
		}
	}
	return social.ByFind
}
