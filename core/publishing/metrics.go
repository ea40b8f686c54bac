package publishing

import (
	"context"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Metrics returns what is known of how a post did, oldest first per segment.
func (s *Service) Metrics(ctx context.Context, who tenants.Scope, id PostID) ([]Measured, error) {
	if err := s.authz.Allow(ctx, who, ActMetrics); err != nil {
		return nil, err
	}
	var out []Measured
	err := s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if _, err := tx.Post(ctx, id); err != nil {
			return err
		}
		var err error
		out, err = tx.Metrics(ctx, id)
		return err
	})
	return out, err
}

// RefreshMetrics asks the platforms how a post is doing and keeps the answer.
// A platform that has no metrics is passed over; one that fails is returned as
// the error after the others are kept.
func (s *Service) RefreshMetrics(ctx context.Context, who tenants.Scope, id PostID) error {
	d, err := s.measurable(ctx, who, id)
	if err != nil {
		return err
	}
	var got []Measured
	var failed error
	for _, dl := range d.Deliveries {
		m, err := s.measure(ctx, who, dl)
		got = append(got, m...)
		if err != nil {
			failed = err
		}
	}
	if len(got) == 0 {
		return failed
	}
	err = s.store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := tx.SaveMetrics(ctx, got); err != nil {
			return err
		}
		return tx.Emit(ctx, "metrics.updated", string(id), map[string]any{"segments": len(got)})
	})
	if err != nil {
		return err
	}
	return failed
}

// AskMetrics queues a refresh and returns the name of the job.
func (s *Service) AskMetrics(ctx context.Context, who tenants.Scope, post PostID) (job string, err error) {
	if _, err := s.measurable(ctx, who, post); err != nil {
		return "", err
	}
	job = id.New("job")
	err = s.store.Update(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		if err := tx.RefreshMetrics(ctx, post, job); err != nil {
			return err
		}
		return tx.Record(ctx, audit.By(who, "metrics.refresh", string(post), "job", job))
	})
	return job, err
}

func (s *Service) measurable(ctx context.Context, who tenants.Scope, id PostID) (d *Detail, err error) {
	if err := s.authz.Allow(ctx, who, ActMetrics); err != nil {
		return nil, err
	}
	err = s.store.View(ctx, who.Tenant, func(ctx context.Context, tx Tx) error {
		p, err := tx.Post(ctx, id)
		if err != nil {
			return err
		}
		d, err = detail(ctx, tx, p)
		return err
	})
	return d, err
}

func (s *Service) measure(ctx context.Context, who tenants.Scope, d *Delivery) ([]Measured, error) {
	var refs []social.Ref
	segment := map[string]SegmentID{}
	for _, sg := range d.Segments {
		if sg.Ref != nil && sg.Ref.ID != "" {
			refs = append(refs, *sg.Ref)
			segment[sg.Ref.ID] = sg.ID
		}
	}
	if len(refs) == 0 || !s.canMeasure(ctx, who, d.Channel) {
		return nil, nil
	}
	metrics, err := s.channels.Metrics(ctx, who, d.Channel, refs)
	var out []Measured
	for _, m := range metrics {
		if id, ok := segment[m.Ref.ID]; ok {
			out = append(out, Measured{Segment: id, At: m.At, Values: m.Values})
		}
	}
	return out, err
}

func (s *Service) canMeasure(ctx context.Context, who tenants.Scope, id channels.ID) bool {
	t, err := s.channels.Describe(ctx, who, id)
	return err == nil && t.Manifest.Can(social.CanMetrics)
}
