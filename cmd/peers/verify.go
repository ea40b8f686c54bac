package main

import (
	"bytes"
	"context"
	"fmt"
	"image/jpeg"
	"slices"
	"time"

	"github.com/carillonhq/carillon/adapters/httpapi/client"
)

// verdict is what the program prints.
type verdict struct {
	OK         bool     `json:"ok"`
	Server     string   `json:"server"`
	Seed       uint64   `json:"seed"`
	Contract   bool     `json:"contract"` // the plugin's own tests, against this server
	Kills      []kill   `json:"kills"`
	Writes     int      `json:"writes"`   // requests to write that reached the server
	State      string   `json:"state"`    // of the post
	Attempts   []int    `json:"attempts"` // for each part, as the installation's receipt tells
	Posts      int      `json:"posts"`    // in the repository
	Lost       int      `json:"lost"`
	Duplicated int      `json:"duplicated"`
	Problems   []string `json:"problems,omitempty"`
	Seconds    float64  `json:"seconds"`
}

func (v *verdict) problem(format string, args ...any) {
	v.Problems = append(v.Problems, fmt.Sprintf(format, args...))
}

// conclude says whether everything held.
func (t *trial) conclude() verdict {
	v := t.verdict
	v.Seconds = time.Since(t.began).Round(time.Second / 10).Seconds()
	v.OK = len(v.Problems) == 0
	return v
}

// read compares the repository with what was written, and with the receipt.
func (t *trial) read(ctx context.Context) error {
	records, err := t.peer.records(ctx, t.account.did)
	if err != nil {
		return err
	}
	v := &t.verdict
	if v.State != string(client.PostStatePublished) {
		v.problem("the post is %s", v.State)
	}
	chain := v.judge(append(slices.Clone(parts), comment), records)
	if len(v.Problems) > 0 {
		t.showLogs()
		return nil // what is lost or doubled cannot be compared further
	}
	v.images(chain)
	if err := t.photograph(ctx, chain[0]); err != nil {
		return err
	}
	return t.receipt(ctx, chain)
}

// judge finds each text once, in one chain of replies, and nothing else; the
// last text is the comment. It returns the records in the order of the texts.
func (v *verdict) judge(texts []string, records []record) []record {
	v.Posts = len(records)
	chain := make([]record, len(texts))
	for _, r := range records {
		if !slices.Contains(texts, r.Value.Text) {
			v.problem("nobody wrote %q", r.Value.Text)
		}
	}
	for i, text := range texts {
		same := slices.DeleteFunc(slices.Clone(records), func(r record) bool { return r.Value.Text != text })
		switch len(same) {
		case 0:
			v.Lost++
			v.problem("post %d is not there", i+1)
			continue
		case 1:
		default:
			v.Duplicated += len(same) - 1
			v.problem("post %d is there %d times", i+1, len(same))
		}
		chain[i] = same[0]
	}
	if v.Lost+v.Duplicated == 0 {
		v.replies(chain)
	}
	return chain
}

// replies checks that each record answers the one before it, below the first;
// and that the last, the comment, answers the first.
func (v *verdict) replies(chain []record) {
	for i, r := range chain {
		before := chain[max(i-1, 0)]
		if i == len(chain)-1 {
			before = chain[0]
		}
		switch reply := r.Value.Reply; {
		case i == 0 && reply != nil:
			v.problem("post 1 answers %s", reply.Parent.URI)
		case i == 0:
		case reply == nil:
			v.problem("post %d answers nothing", i+1)
		case reply.Parent != before.ref():
			v.problem("post %d answers %v, want %v", i+1, reply.Parent, before.ref())
		case reply.Root != chain[0].ref():
			v.problem("post %d is below %v, want %v", i+1, reply.Root, chain[0].ref())
		}
	}
}

func (r record) ref() ref { return ref{r.URI, r.CID} }

// images checks that the first record shows one, described, and the others none.
func (v *verdict) images(chain []record) {
	for i, r := range chain {
		shown := r.Value.Embed.Images
		switch {
		case i > 0 && len(shown) > 0, i == 0 && len(shown) != 1:
			v.problem("post %d shows %d images", i+1, len(shown))
		case i == 0 && shown[0].Alt != alt:
			v.problem("the photograph is described as %q", shown[0].Alt)
		}
	}
}

// photograph fetches what the first record shows.
func (t *trial) photograph(ctx context.Context, first record) error {
	if len(first.Value.Embed.Images) != 1 {
		return nil // images said so
	}
	blob := first.Value.Embed.Images[0].Blob
	b, err := t.peer.blob(ctx, t.account.did, blob.Ref.Link)
	if err != nil {
		return err
	}
	if _, err := jpeg.DecodeConfig(bytes.NewReader(b)); err != nil || len(b) != blob.Size || blob.Type != "image/jpeg" {
		t.verdict.problem("the photograph is %d bytes of %s where %d were promised: %v", len(b), blob.Type, blob.Size, err)
	}
	return nil
}

// receipt checks that the installation knows every record by its address.
func (t *trial) receipt(ctx context.Context, chain []record) error {
	got, err := t.author.GetReceiptWithResponse(ctx, t.author.post.Id)
	if err != nil {
		return err
	}
	if got.JSON200 == nil || len(got.JSON200.Deliveries) != 1 {
		return refused("get receipt", got.Body)
	}
	segments := got.JSON200.Deliveries[0].Segments
	if len(segments) != len(chain) {
		t.verdict.problem("the receipt has %d parts, want %d", len(segments), len(chain))
		return nil
	}
	for i, s := range segments {
		t.verdict.Attempts = append(t.verdict.Attempts, len(s.Attempts))
		if s.State != "live" || s.RemoteId == nil || *s.RemoteId != chain[i].URI {
			t.verdict.problem("the receipt's part %d is %s and not %s", i+1, s.State, chain[i].URI)
		}
	}
	return nil
}
