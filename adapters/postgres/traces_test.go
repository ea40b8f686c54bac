package postgres_test

import (
	"context"
	"testing"
	"time"

	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/id"
)

// The trace of a segment on its way out is linked to that of the request which
// planned it, and of the one that planned it anew.
func TestASegmentIsLinkedToItsRequest(t *testing.T) {
	db := postgrestest.Open(t)
	tenant := postgrestest.Tenant(t, db)
	spans := tracetest.NewInMemoryExporter()
	tracer := sdk.NewTracerProvider(sdk.WithSyncer(spans)).Tracer("test")

	p := publishing.NewPost(publishing.Content{Parts: []publishing.Part{{Text: "hello"}}}, "usr_x")
	d := &publishing.Delivery{ID: publishing.DeliveryID(id.New("dlv")), Post: p.ID, Channel: channels.NewID(), DueAt: time.Now(), Segments: []*publishing.Segment{
		{ID: publishing.SegmentID(id.New("seg")), State: publishing.Scheduled, Part: p.Content.Parts[0], NextAt: time.Now()},
	}}
	save := func(ctx context.Context) {
		t.Helper()
		err := db.Posts().Update(ctx, tenant, func(ctx context.Context, tx publishing.Tx) error { return tx.SaveDelivery(ctx, d) })
		if err != nil {
			t.Fatal(err)
		}
	}
	err := db.Posts().Update(t.Context(), tenant, func(ctx context.Context, tx publishing.Tx) error { return tx.SavePost(ctx, p) })
	if err != nil {
		t.Fatal(err)
	}
	request, span := tracer.Start(t.Context(), "POST /posts/{post}:publish")
	save(request)
	span.End()
	save(t.Context()) // by somebody who is not traced: it keeps the trace it has

	work, segment := tracer.Start(t.Context(), "segment")
	_, err = db.Posts().Peek(work, publishing.Claim{Tenant: tenant, Post: p.ID, Delivery: d.ID, Segment: d.Segments[0].ID})
	if err != nil {
		t.Fatal(err)
	}
	segment.End()
	got := spans.GetSpans()
	if len(got) != 2 || len(got[1].Links) != 1 || got[1].Links[0].SpanContext.TraceID() != got[0].SpanContext.TraceID() ||
		got[1].Links[0].SpanContext.SpanID() != got[0].SpanContext.SpanID() {
		t.Errorf("%+v", got)
	}
}
