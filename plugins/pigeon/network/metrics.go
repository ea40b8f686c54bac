package network

import (
	"math"
	"net/http"
	"strings"
	"time"
)

// metrics answers for those of ?ids=a,b that exist.
func (n *Network) metrics(w http.ResponseWriter, r *http.Request, _ *grant) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := n.opt.Now()
	list := []map[string]any{}
	for _, id := range strings.Split(r.URL.Query().Get("ids"), ",") {
		if p := n.byID[id]; p != nil {
			list = append(list, map[string]any{"id": id, "values": n.figures(p, now), "at": now.UTC()})
		}
	}
	answer(w, http.StatusOK, map[string]any{"metrics": list})
}

// figures grow with a post's age, fast at first, and never fall. How far they
// go depends on the post alone.
func (n *Network) figures(p *Post, now time.Time) map[string]float64 {
	age := max(now.Sub(p.CreatedAt), 0)
	seen := 1 - math.Exp(-age.Hours()/6)
	reach := 80 + 4000*fraction(p.ID+"reach")
	of := func(name string, most float64) float64 {
		return math.Floor(reach * most * fraction(p.ID+name) * seen)
	}
	return map[string]float64{
		"impressions": math.Floor(reach * 1.6 * seen), "reach": math.Floor(reach * seen),
		"likes": of("likes", 0.12), "shares": of("shares", 0.03), "saves": of("saves", 0.02),
		"clicks": of("clicks", 0.05), "comments": float64(len(n.replies[p.ID])),
	}
}
