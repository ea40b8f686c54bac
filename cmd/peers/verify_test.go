package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A verdict that sees nothing is worth nothing: each way to be wrong is named.
func TestJudge(t *testing.T) {
	texts := []string{"one", "two", "three", "comment"}
	answering := func(at int, parent, root string) []record {
		all := thread()
		all[at] = say(all[at].URI, all[at].Value.Text, parent, root)
		return all
	}
	for name, tt := range map[string]struct {
		records []record
		want    verdict
	}{
		"whole": {thread(), verdict{Posts: 4}},
		"nothing there": {nil, verdict{Lost: 4, Problems: []string{
			"post 1 is not there", "post 2 is not there", "post 3 is not there", "post 4 is not there",
		}}},
		"one lost":   {thread()[:3], verdict{Posts: 3, Lost: 1, Problems: []string{"post 4 is not there"}}},
		"one twice":  {append(thread(), say("five", "two", "one", "one")), verdict{Posts: 5, Duplicated: 1, Problems: []string{"post 2 is there 2 times"}}},
		"a stranger": {append(thread(), say("five", "hello", "", "")), verdict{Posts: 5, Problems: []string{`nobody wrote "hello"`}}},
		"an answer to the wrong one": {answering(2, "one", "one"), verdict{Posts: 4, Problems: []string{
			"post 3 answers {one cid-one}, want {two cid-two}",
		}}},
		"a comment at the end of the thread": {answering(3, "three", "one"), verdict{Posts: 4, Problems: []string{
			"post 4 answers {three cid-three}, want {one cid-one}",
		}}},
		"below the wrong one": {answering(2, "two", "two"), verdict{Posts: 4, Problems: []string{
			"post 3 is below {two cid-two}, want {one cid-one}",
		}}},
		"out of the chain":      {answering(1, "", ""), verdict{Posts: 4, Problems: []string{"post 2 answers nothing"}}},
		"an answer at its head": {answering(0, "two", "two"), verdict{Posts: 4, Problems: []string{"post 1 answers two"}}},
	} {
		t.Run(name, func(t *testing.T) {
			var got verdict
			got.judge(texts, tt.records)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestImages(t *testing.T) {
	shown := image{Alt: alt}
	for name, tt := range map[string]struct {
		first, second []image
		want          []string
	}{
		"one, described": {[]image{shown}, nil, nil},
		"none":           {nil, nil, []string{"post 1 shows 0 images"}},
		"two":            {[]image{shown, shown}, nil, []string{"post 1 shows 2 images"}},
		"not described":  {[]image{{}}, nil, []string{`the photograph is described as ""`}},
		"on the second":  {[]image{shown}, []image{shown}, []string{"post 2 shows 1 images"}},
	} {
		t.Run(name, func(t *testing.T) {
			chain := thread()[:2]
			chain[0].Value.Embed.Images, chain[1].Value.Embed.Images = tt.first, tt.second
			var got verdict
			got.images(chain)
			if diff := cmp.Diff(tt.want, got.Problems); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// thread is three parts and a comment as they should be.
func thread() []record {
	return []record{
		say("one", "one", "", ""), say("two", "two", "one", "one"), say("three", "three", "two", "one"), say("four", "comment", "one", "one"),
	}
}

// say makes a record that answers parent below root, if they are named.
func say(uri, text, parent, root string) record {
	r := record{URI: uri, CID: "cid-" + uri}
	r.Value.Text = text
	if parent != "" {
		r.Value.Reply = &struct{ Root, Parent ref }{ref{root, "cid-" + root}, ref{parent, "cid-" + parent}}
	}
	return r
}
