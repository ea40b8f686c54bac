package main

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

func TestWhatTheCountSees(t *testing.T) {
	p := &written{id: "post_1", name: "x", parts: 2, authors: []string{"a"}, promised: true}
	first := network.Post{ID: "1", Order: 1}
	second := network.Post{ID: "2", Order: 2, ReplyTo: "1"}
	stray := network.Post{ID: "3", Order: 3}
	for name, tc := range map[string]struct {
		state   publishing.State
		there   [2][]network.Post
		promise bool
		want    result
	}{
		"all is well":             {publishing.Published, [2][]network.Post{{first}, {second}}, true, result{Segments: 2}},
		"a part is missing":       {publishing.Published, [2][]network.Post{{first}, nil}, true, result{Segments: 2, Lost: 1}},
		"all is missing":          {publishing.Published, [2][]network.Post{}, true, result{Segments: 2, Lost: 2}},
		"it is still on its way":  {publishing.Publishing, [2][]network.Post{{first}, nil}, true, result{Segments: 2, Unsettled: 1}},
		"a person is asked":       {publishing.NeedsReview, [2][]network.Post{{first}, nil}, true, result{Segments: 2, Flagged: 1}},
		"given up":                {publishing.Failed, [2][]network.Post{}, true, result{Segments: 2, Lost: 2, Failed: 1}},
		"twice":                   {publishing.Published, [2][]network.Post{{first, stray}, {second}}, true, result{Segments: 2, Duplicated: 1}},
		"under nothing":           {publishing.Published, [2][]network.Post{{first}, {stray}}, true, result{Segments: 2, Disordered: 1}},
		"without its first":       {publishing.Publishing, [2][]network.Post{nil, {second}}, true, result{Segments: 2, Unsettled: 1, Disordered: 1}},
		"never promised":          {"", [2][]network.Post{}, false, result{}},
		"never promised, but out": {publishing.Published, [2][]network.Post{{first, stray}, {second}}, false, result{Duplicated: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			p.promised = tc.promise
			w := &watch{seen: map[string]seen{p.id: {state: tc.state}}}
			objects := map[spot][]network.Post{}
			for n, posts := range tc.there {
				if len(posts) > 0 {
					objects[spot{"a", p.text(n)}] = posts
				}
			}
			var got result
			got.sum(p, w)
			got.compare([]*written{p}, w, objects, experiment{})
			if got.Segments != tc.want.Segments || got.Lost != tc.want.Lost || got.Duplicated != tc.want.Duplicated ||
				got.Disordered != tc.want.Disordered || got.Unsettled != tc.want.Unsettled || got.Flagged != tc.want.Flagged || got.Failed != tc.want.Failed {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

// Posts that say the same are counted together, and each thread among them has
// a beginning of its own.
func TestWhatTheCountSeesOfEqualPosts(t *testing.T) {
	alike := func(name string) *written {
		return &written{id: name, name: name, shared: "good morning", parts: 2, authors: []string{"a"}, promised: true}
	}
	all := []*written{alike("x"), alike("y")}
	w := &watch{seen: map[string]seen{"x": {state: publishing.Published}, "y": {state: publishing.Published}}}
	first, second := network.Post{ID: "1", Order: 1}, network.Post{ID: "2", Order: 2}
	for name, tc := range map[string]struct {
		first  []network.Post
		parent string // of y's second part
		want   result
	}{
		"all is well":          {[]network.Post{first, second}, "2", result{Objects: 4}},
		"one is missing":       {[]network.Post{first}, "1", result{Objects: 3, Lost: 1, Disordered: 1}},
		"one too many":         {[]network.Post{first, second, {ID: "5", Order: 5}}, "2", result{Objects: 5, Duplicated: 1}},
		"both below one":       {[]network.Post{first, second}, "1", result{Objects: 4, Disordered: 1}},
		"below something else": {[]network.Post{first, second}, "9", result{Objects: 4, Disordered: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			objects := map[spot][]network.Post{
				{"a", "good morning"}: tc.first, {"a", all[0].text(1)}: {{ID: "3", Order: 8, ReplyTo: "1"}}, {"a", all[1].text(1)}: {{ID: "4", Order: 9, ReplyTo: tc.parent}},
			}
			var got result
			got.compare(all, w, objects, experiment{})
			if got.Lost != tc.want.Lost || got.Duplicated != tc.want.Duplicated || got.Disordered != tc.want.Disordered || got.Objects != tc.want.Objects {
				t.Errorf("%+v, want %+v", got, tc.want)
			}
		})
	}
}

func TestTheVerdict(t *testing.T) {
	good := result{Segments: 10, Objects: 10}
	for name, tc := range map[string]struct {
		main    result
		control *result
		why     string
	}{
		"passes":             {good, &result{Duplicated: 3}, ""},
		"lost":               {result{Segments: 10, Lost: 1}, &result{Duplicated: 3}, "1 lost"},
		"doubled":            {result{Segments: 10, Duplicated: 2}, &result{Duplicated: 3}, "2 duplicated"},
		"blind":              {good, &result{}, "blind"},
		"without a control":  {good, nil, "blind"},
		"nothing to look at": {result{}, &result{Duplicated: 3}, "nothing was published"},
		"flagged":            {result{Segments: 10, Objects: 10, Flagged: 1}, &result{Duplicated: 3}, "1 left to a person"},
		"promises alone":     {result{Segments: 10}, &result{Duplicated: 3}, "nothing was published"},
		"of nobody":          {result{Segments: 10, Objects: 11, Strange: 1}, &result{Duplicated: 3}, "1 that nobody wrote"},
		"refused":            {result{Segments: 10, Refused: 1}, &result{Duplicated: 3}, "refused"},
	} {
		t.Run(name, func(t *testing.T) {
			v := verdict{result: tc.main, Control: tc.control}
			v.judge(true)
			if v.Pass != (tc.why == "") || !strings.Contains(v.Why, tc.why) {
				t.Errorf("pass %v, %q", v.Pass, v.Why)
			}
		})
	}
}

// A refusal because a channel waits for a person is tried again; every other is final.
func TestWhatIsRefusedForASignIn(t *testing.T) {
	for body, want := range map[string]bool{
		`{"code":"post.invalid","errors":[{"code":"oauth.invalid_grant"}]}`:                  true,
		`{"code":"post.invalid","errors":[{"code":"text.too_long"},{"code":"auth.lapsed"}]}`: true,
		`{"code":"post.invalid","errors":[{"code":"text.too_long"}]}`:                        false,
		`{"code":"idempotency.answer_lost"}`:                                                 false,
		`no problem`:                                                                         false,
	} {
		if got := signedOut([]byte(body)); got != want {
			t.Errorf("%s: %v", body, got)
		}
	}
}
