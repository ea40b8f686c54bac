package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

// verdict is the line that is printed.
type verdict struct {
	Pass      bool    `json:"pass"`
	Why       string  `json:"why,omitempty"`
	Seed      uint64  `json:"seed"`
	NativeKey bool    `json:"native_key"`
	Took      float64 `json:"took_s"`
	result
	Control *result `json:"control,omitempty"`
}

// judge is the one place that says what passing means.
func (v *verdict) judge(control bool) {
	var bad []string
	for what, n := range map[string]int{
		"lost": v.Lost, "duplicated": v.Duplicated, "unsettled": v.Unsettled, "out of order": v.Disordered,
		"written twice": v.Twice, "refused by the API": v.Refused, "failed": v.Failed,
		"that nobody wrote": v.Strange, "left to a person, where it could be looked up": v.Flagged,
	} {
		if n != 0 {
			bad = append(bad, fmt.Sprintf("%d %s", n, what))
		}
	}
	if v.Segments == 0 || v.Objects == 0 {
		bad = append(bad, "nothing was published")
	}
	if control && (v.Control == nil || v.Control.Duplicated == 0) {
		bad = append(bad, "blind: the control shows no duplicates")
	}
	slices.Sort(bad)
	v.Why, v.Pass = strings.Join(bad, ", "), len(bad) == 0
}

// result is what one experiment showed. A segment is one object that has to be
// on the network once.
type result struct {
	Posts       int            `json:"posts"`    // that the API acknowledged
	Segments    int            `json:"segments"` // of those
	Objects     int            `json:"objects"`  // that are on the network
	Strange     int            `json:"strange"`  // of those, that nothing here asked for
	Lost        int            `json:"lost"`
	Duplicated  int            `json:"duplicated"`
	Disordered  int            `json:"out_of_order"` // a part before, or not under, the one before it
	Unsettled   int            `json:"unsettled"`    // posts still under way at the end
	Flagged     int            `json:"flagged"`      // posts that a person is asked about
	Failed      int            `json:"failed"`       // posts given up, which nothing here justifies
	Refused     int            `json:"refused"`      // posts that the API would not take
	Twice       int            `json:"written_twice"`
	Kills       int            `json:"kills"`
	ByKind      map[string]int `json:"kills_by_kind"`
	AtPoints    map[string]int `json:"kills_at_points"`
	Freezes     map[string]int `json:"freezes"`
	Restarts    int            `json:"database_restarts"`
	Fell        int            `json:"ended_by_themselves"`
	Reconnected int            `json:"reconnected"` // accounts that a person had to sign in to again
	Attempts    map[string]int `json:"attempts"`    // by outcome
	Evidence    map[string]int `json:"evidence"`    // how segments are known to be live
	Settle      percentiles    `json:"settle_s"`    // from due to known
	Quiet       float64        `json:"quiet_s"`     // from the last fault until all was settled
}

type percentiles struct {
	P50 float64 `json:"p50"`
	P95 float64 `json:"p95"`
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// place on the network: an author and a text.
type spot struct{ author, text string }

func count(ctx context.Context, r *rig, e experiment, all []*written, w *watch, t *trouble, quiet time.Duration) (result, error) {
	objects, err := r.objects(ctx)
	if err != nil {
		return result{}, err
	}
	res := result{Freezes: t.freezes, Restarts: t.restarts, Fell: t.fell, ByKind: t.kills, AtPoints: t.atPoints, Quiet: seconds(quiet)}
	for _, n := range t.kills {
		res.Kills += n
	}
	var settled []time.Duration
	for _, p := range all {
		if !p.promised {
			res.Refused++
		} else {
			res.Posts++
			settled = append(settled, w.of(p.id).since.Sub(p.due))
		}
		res.sum(p, w)
	}
	res.compare(all, w, objects, e)
	res.Settle = percentilesOf(settled)
	return res, res.journal(ctx, r)
}

// sum counts what the installation says of a post.
func (res *result) sum(p *written, w *watch) {
	switch state := w.of(p.id).state; {
	case state == publishing.NeedsReview:
		res.Flagged++
	case state == publishing.Published || !p.promised:
	case w.rests(p.id):
		res.Failed++
	default:
		res.Unsettled++
	}
}

// demand is how many objects a place must have, and may have. The API may have
// lost the answer that promised a post: then it may be there, but not twice.
type demand struct{ must, may int }

func (res *result) compare(all []*written, w *watch, objects map[spot][]network.Post, e experiment) {
	demands := map[spot]demand{}
	for _, p := range all {
		out := w.of(p.id).state == publishing.Published || w.of(p.id).state == publishing.Failed
		for _, author := range p.authors {
			for n := range p.parts {
				d := demands[spot{author, p.says(n)}]
				d.may++
				if p.promised {
					res.Segments++
				}
				if p.promised && out {
					d.must++
				}
				demands[spot{author, p.says(n)}] = d
			}
		}
	}
	for at, d := range demands {
		there := objects[at]
		if len(there) > d.may {
			res.Duplicated += len(there) - d.may
			if e.Protocol {
				fmt.Fprintf(os.Stderr, "crash: doubled: %s: %d of at most %d: %+v\n", at.text, len(there), d.may, there)
			}
		}
		if len(there) < d.must {
			res.Lost += d.must - len(there)
			fmt.Fprintf(os.Stderr, "crash: lost: %s: %d of at least %d\n", at.text, len(there), d.must)
		}
	}
	for at, there := range objects {
		res.Objects += len(there)
		if _, asked := demands[at]; !asked {
			res.Strange += len(there)
		}
	}
	res.order(all, objects)
}

// order counts parts that are not below one of their own. Of objects that say
// the same each can be the beginning of one thread only.
func (res *result) order(all []*written, objects map[spot][]network.Post) {
	begun := map[string]bool{}
	for _, p := range all {
		for _, author := range p.authors {
			for n := 1; n < p.parts; n++ {
				there, before := objects[spot{author, p.says(n)}], objects[spot{author, p.says(n - 1)}]
				if len(there) == 0 {
					continue
				}
				i := slices.IndexFunc(before, func(b network.Post) bool { return b.ID == there[0].ReplyTo && b.Order < there[0].Order })
				if i < 0 || n == 1 && begun[before[i].ID] {
					res.Disordered++
					continue
				}
				begun[before[i].ID] = true
			}
		}
	}
}

// objects asks the network for everything on it.
func (r *rig) objects(ctx context.Context) (map[spot][]network.Post, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.network+"/debug/posts", http.NoBody)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	var list struct{ Posts []network.Post }
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		return nil, err
	}
	out := map[spot][]network.Post{}
	for _, p := range list.Posts {
		at := spot{p.Author, p.Text}
		out[at] = append(out[at], p)
	}
	return out, nil
}

// journal reads what the installation wrote down: how attempts ended, how
// outcomes are known, and whether a repeated request was obeyed twice.
func (res *result) journal(ctx context.Context, r *rig) error {
	conn, err := pgx.Connect(ctx, r.database)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close(ctx) }()
	if res.Attempts, err = tally(ctx, conn, "select case when ended_at is null then 'open' else outcome end, count(*) from attempts group by 1"); err != nil {
		return err
	}
	if res.Evidence, err = tally(ctx, conn, "select evidence, count(*) from segments where state = 'live' group by 1"); err != nil {
		return err
	}
	return conn.QueryRow(ctx, "select count(*) - count(distinct content->'parts'->0->>'text') from posts").Scan(&res.Twice)
}

func tally(ctx context.Context, conn *pgx.Conn, query string) (map[string]int, error) {
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return nil, err
	}
	out := map[string]int{}
	var name string
	var n int
	_, err = pgx.ForEachRow(rows, []any{&name, &n}, func() error { out[name] = n; return nil })
	return out, err
}

func percentilesOf(all []time.Duration) percentiles {
	if len(all) == 0 {
		return percentiles{}
	}
	slices.Sort(all)
	at := func(share float64) float64 { return seconds(all[int(share*float64(len(all)-1))]) }
	return percentiles{at(0.5), at(0.95), at(0.99), at(1)}
}

func seconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Millisecond)) / float64(time.Second)
}
