package publishingtest

import (
	"context"
	"slices"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
)

type look struct {
	publishing.Look
	done bool
}

// Stale implements publishing.Watch. Every channel is of the only platform there is.
func (s *Store) Stale(_ context.Context, rules map[string]string, limit int) (out []publishing.Look, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for who, st := range s.tenants {
		for _, d := range st.deliveries {
			if d.State() != publishing.Scheduled || len(out) == limit {
				continue
			}
			for _, now := range rules {
				l := publishing.Look{Tenant: who, Channel: d.Channel, Rules: now}
				if was, ok := st.looks[d.Channel]; ok && was.Rules == now {
					if was.done {
						continue
					}
					l.After = was.After
				}
				if !slices.Contains(out, l) {
					out = append(out, l)
				}
			}
		}
	}
	return out, nil
}

func (tx *memTx) Findings(_ context.Context, posts ...publishing.PostID) (out []publishing.Finding, err error) {
	for _, f := range tx.st.findings {
		if slices.Contains(posts, f.Post) {
			out = append(out, f)
		}
	}
	return out, nil
}

func (tx *memTx) SaveFinding(_ context.Context, f publishing.Finding) error {
	tx.st.findings = slices.DeleteFunc(tx.st.findings, func(one publishing.Finding) bool { return one.Post == f.Post && one.Channel == f.Channel })
	if len(f.Violations) > 0 {
		tx.st.findings = append(tx.st.findings, f)
	}
	return nil
}

func (tx *memTx) SaveLook(_ context.Context, l publishing.Look, done bool) error {
	if tx.st.looks == nil {
		tx.st.looks = map[channels.ID]look{}
	}
	tx.st.looks[l.Channel] = look{l, done}
	return nil
}
