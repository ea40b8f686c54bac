package bluesky

import (
	"cmp"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/social"
)

// collection is where a repository keeps its posts.
const collection = "app.bsky.feed.post"

// record is a post as the lexicon writes it. It depends on its arguments alone.
func record(c social.Content, s state) map[string]any {
	r := map[string]any{"$type": collection, "text": c.Text, "createdAt": s.CreatedAt}
	if marks := facets(c.Text, s.DIDs); len(marks) > 0 {
		r["facets"] = marks
	}
	if len(c.Languages) > 0 {
		r["langs"] = c.Languages[:min(len(c.Languages), maxLangs)]
	}
	if len(s.Blobs) > 0 {
		r["embed"] = images(c, s)
	}
	if c.ReplyTo != nil {
		root := c.Root
		if root == nil || root.Extra["cid"] == "" {
			root = c.ReplyTo
		}
		r["reply"] = map[string]any{"root": strong(*root), "parent": strong(*c.ReplyTo)}
	}
	return r
}

func images(c social.Content, s state) map[string]any {
	list := make([]map[string]any, 0, len(s.Blobs))
	for i, blob := range s.Blobs {
		if i >= len(c.Media) {
			break
		}
		one := map[string]any{"image": blob, "alt": c.Media[i].Alt}
		if c.Media[i].Width > 0 && c.Media[i].Height > 0 {
			one["aspectRatio"] = map[string]int{"width": c.Media[i].Width, "height": c.Media[i].Height}
		}
		list = append(list, one)
	}
	return map[string]any{"$type": "app.bsky.embed.images", "images": list}
}

func strong(ref social.Ref) map[string]string {
	return map[string]string{"uri": ref.ID, "cid": ref.Extra["cid"]}
}

// receipt proves a record: its address, and a link that people can open.
func receipt(uri, cid, createdAt string) *social.Receipt {
	at, _ := time.Parse(time.RFC3339, createdAt) // zero if the record is not ours
	repo, rest, _ := strings.Cut(strings.TrimPrefix(uri, "at://"), "/")
	_, key, _ := strings.Cut(rest, "/")
	return &social.Receipt{
		Ref:    social.Ref{ID: uri, URL: "https://bsky.app/profile/" + repo + "/post/" + key, Extra: map[string]string{"cid": cid}},
		Status: social.Live, PublishedAt: at,
	}
}

// did is the identity whose repository is written.
func did(account social.Account, call social.Call) string {
	return cmp.Or(account.ID, call.Credential.Public["did"])
}
