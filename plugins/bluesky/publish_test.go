package bluesky_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/plugins/bluesky/blueskyfake"
	"github.com/carillonhq/carillon/ports/social"
)

// prepared drives a post to its commit step.
func (b bench) prepared(t *testing.T, c social.Content) social.PublishRequest {
	t.Helper()
	call := b.Call
	call.Idempotency = "key-1"
	req := social.PublishRequest{Call: call, Account: b.Account, Content: c, Attempt: 1}
	for range 50 {
		step, err := b.plugin.Publish(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		req.State, req.Commit = step.Next.State, step.Next.Commit
		if req.Commit {
			return req
		}
	}
	t.Fatal("never ready")
	return req
}

func (b bench) commit(t *testing.T, req social.PublishRequest) (*social.Receipt, *social.Fault) {
	t.Helper()
	step, err := b.plugin.Publish(t.Context(), req)
	if err != nil {
		return nil, social.FaultOf(err, true)
	}
	return step.Receipt, nil
}

func TestTheRecordIsComplete(t *testing.T) {
	b := open(t)
	req := b.prepared(t, social.Content{
		Text: "@bob.test and @nobody.test: https://a.example #sea", Media: []social.Media{b.Image},
		Languages: []string{"en", "de", "fr", "it"}, At: time.Now(),
	})
	receipt, f := b.commit(t, req)
	if f != nil {
		t.Fatal(f)
	}
	if receipt.Ref.Extra["cid"] == "" || !strings.HasPrefix(receipt.Ref.URL, "https://bsky.app/profile/"+blueskyfake.DID+"/post/") {
		t.Errorf("ref = %+v", receipt.Ref)
	}
	value := b.fake.Records()[0].Value
	features := []any{}
	for _, facet := range value["facets"].([]any) {
		features = append(features, facet.(map[string]any)["features"].([]any)[0])
	}
	want := []any{
		map[string]any{"$type": "app.bsky.richtext.facet#mention", "did": blueskyfake.BobDID},
		map[string]any{"$type": "app.bsky.richtext.facet#link", "uri": "https://a.example"},
		map[string]any{"$type": "app.bsky.richtext.facet#tag", "tag": "sea"},
	}
	if diff := cmp.Diff(want, features); diff != "" {
		t.Error(diff)
	}
	if got := len(value["langs"].([]any)); got != 3 {
		t.Errorf("%d languages, at most 3 fit", got)
	}
	one := value["embed"].(map[string]any)["images"].([]any)[0].(map[string]any)
	if diff := cmp.Diff(map[string]any{"width": 40.0, "height": 30.0}, one["aspectRatio"]); diff != "" {
		t.Error(diff)
	}
}

func TestTheSameCommitManyTimesIsOnePost(t *testing.T) {
	b := open(t)
	req := b.prepared(t, social.Content{Text: "Once.", At: time.Now()})
	first, f := b.commit(t, req)
	if f != nil {
		t.Fatal(f)
	}
	for range 5 {
		again, f := b.commit(t, req)
		if f != nil || again.Ref.ID != first.Ref.ID || again.Ref.Extra["cid"] != first.Ref.Extra["cid"] {
			t.Fatalf("again = %+v, %v", again, f)
		}
	}
	if n := len(b.fake.Records()); n != 1 {
		t.Errorf("%d records", n)
	}
}

// TestAPreparationStartedOverCannotReplace: another record under the key is
// left alone, and the host is told to look.
func TestAPreparationStartedOverCannotReplace(t *testing.T) {
	b := open(t)
	c := social.Content{Text: "Once.", At: time.Now()}
	first := b.prepared(t, c)
	if _, f := b.commit(t, first); f != nil {
		t.Fatal(f)
	}
	b.Wait(time.Minute)
	_, f := b.commit(t, b.prepared(t, c))
	if f == nil || f.Kind != social.Duplicate {
		t.Fatalf("fault = %v, want %s", f, social.Duplicate)
	}
	found, err := b.plugin.Find(t.Context(), social.FindRequest{Call: first.Call, Account: b.Account, Content: c})
	if err != nil || found.Verdict != social.Found {
		t.Errorf("finding = %+v, %v: the key must follow from the post alone", found, err)
	}
}

func TestContentRules(t *testing.T) {
	b := open(t)
	cases := map[string]struct {
		content social.Content
		field   string
	}{
		"nothing":      {social.Content{}, "/content/text"},
		"bytes":        {social.Content{Text: strings.Repeat("👩‍👩‍👧‍👦", 130)}, "/content/text"},
		"five images":  {social.Content{Text: "x", Media: []social.Media{b.Image, b.Image, b.Image, b.Image, b.Image}}, "/content/media"},
		"a video":      {social.Content{Text: "x", Media: []social.Media{{Kind: social.Video}}}, "/content/media"},
		"a bare reply": {social.Content{Text: "x", ReplyTo: &social.Ref{ID: "at://x"}}, "/content/reply_to"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := b.plugin.Publish(t.Context(), social.PublishRequest{Call: b.Call, Account: b.Account, Content: c.content})
			f := social.FaultOf(err, false)
			if f.Kind != social.Invalid || len(f.Violations) != 1 || f.Violations[0].Field != c.field {
				t.Errorf("fault = %+v", f)
			}
		})
	}
}

func TestADroppedImageIsSaid(t *testing.T) {
	b := open(t)
	req := b.prepared(t, social.Content{Text: "x", Media: []social.Media{b.Image}, At: time.Now()})
	b.fake.DropBlobs()
	if _, f := b.commit(t, req); f == nil || f.Kind != social.Permanent || f.Key != "bluesky.image_dropped" {
		t.Errorf("fault = %v", f)
	}
}

// TestTheFakeAnswersAsTheReferenceServer pins what a naive client would meet.
func TestTheFakeAnswersAsTheReferenceServer(t *testing.T) {
	b := open(t)
	req := b.prepared(t, social.Content{Text: "Once.", At: time.Now()})
	if _, f := b.commit(t, req); f != nil {
		t.Fatal(f)
	}
	key := b.fake.Records()[0].Key
	write := func(method, token, key, text string) int {
		body := `{"repo":"` + blueskyfake.DID + `","collection":"app.bsky.feed.post","rkey":"` + key +
			`","record":{"$type":"app.bsky.feed.post","text":"` + text + `","createdAt":"2026-01-01T00:00:00Z"}}`
		r, err := http.NewRequest(http.MethodPost, b.url+"/xrpc/com.atproto.repo."+method, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		res, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		return res.StatusCode
	}
	token := b.Call.Credential.AccessToken
	cases := map[string]struct{ got, want int }{
		"createRecord on a key that exists": {write("createRecord", token, key, "Twice."), 500},
		"a key that is no TID":              {write("putRecord", token, "op-42", "Twice."), 400},
		"a bad token":                       {write("putRecord", "bad", key, "Twice."), 400},
		"301 graphemes":                     {write("putRecord", token, key, strings.Repeat("a", 301)), 400},
	}
	for name, c := range cases {
		if c.got != c.want {
			t.Errorf("%s = %d, want %d", name, c.got, c.want)
		}
	}
	if n := len(b.fake.Records()); n != 1 {
		t.Errorf("%d records", n)
	}
}

// After a restore the post may be there under a key that this history would
// not give it: it is known by what it says, where it says it.
func TestARestoredPostIsKnownByItsWords(t *testing.T) {
	b := open(t)
	friday := time.Now().Add(48 * time.Hour)
	for i, text := range []string{"before", "Good morning", "after", "later", "and last"} {
		b.Call.Idempotency = fmt.Sprint("seg_", i, ".0")
		if _, f := b.commit(t, b.prepared(t, social.Content{Text: text, At: time.Now().Add(time.Duration(i) * time.Second)})); f != nil {
			t.Fatal(f)
		}
	}
	good := b.fake.Records()[1].URI
	for name, tc := range map[string]struct {
		text     string
		restored bool
		since    time.Time
		taken    []string
		want     social.Verdict
	}{
		"by its key alone":     {"Good morning", false, time.Now().Add(-time.Hour), nil, social.Absent},
		"restored":             {"Good morning", true, time.Now().Add(-time.Hour), nil, social.Found},
		"never sent":           {"Good night", true, time.Now().Add(-time.Hour), nil, social.Absent},
		"another one's":        {"Good morning", true, time.Now().Add(-time.Hour), []string{good}, social.Absent},
		"older than it can be": {"Good morning", true, time.Now().Add(time.Hour), nil, social.Absent},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := b.plugin.Find(t.Context(), social.FindRequest{
				Call: b.Call, Account: b.Account, Content: social.Content{Text: tc.text, At: friday}, Since: tc.since, Restored: tc.restored, Taken: tc.taken,
			})
			if err != nil || got.Verdict != tc.want || got.Receipt != nil && got.Receipt.Ref.ID != good {
				t.Errorf("%+v, %v, want %s", got, err, tc.want)
			}
		})
	}
}
