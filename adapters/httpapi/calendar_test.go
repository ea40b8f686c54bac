package httpapi_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

func TestACalendarShowsALineOfEachPost(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	tenant := postgrestest.Child(t, w.db, agency, tenants.Workspace)
	_, token := w.member(tenant, tenants.Client)
	ch := w.channel(tenant)
	at := time.Date(2031, 3, 1, 9, 0, 0, 0, time.UTC)
	p := publishing.NewPost(publishing.Content{
		Parts:    []publishing.Part{{Text: "Bells at seven\nand at eight", Media: []publishing.Attachment{{Media: "med_1"}}}, {Text: "more"}},
		Variants: []publishing.Variant{{Channel: channels.ID(ch)}},
	}, "usr_x")
	p.State, p.Schedule = publishing.Scheduled, publishing.Schedule{Local: "2031-03-01T09:00:00", Zone: "Europe/Lisbon", At: at}
	must(t, w.db.Posts().Update(t.Context(), tenant, func(ctx context.Context, tx publishing.Tx) error { return tx.SavePost(ctx, p) }))

	ask := func(query string) (int, string) {
		code, _, body := w.call(http.MethodGet, "/api/v1/calendar?"+query, map[string]string{"Carillon-Tenant": string(tenant), "Authorization": "Bearer " + token}, "")
		return code, body
	}
	zone, picture := "Europe/Lisbon", "med_1"
	line := api.CalendarEntry{
		Id: string(p.ID), Object: api.CalendarEntryObjectCalendarEntry, State: api.PostStateScheduled, PublishAt: at, Timezone: &zone,
		Text: "Bells at seven", MediaId: &picture, Segments: 2, Channels: []string{ch},
	}
	const march = "scheduled_at[gte]=2031-03-01T00:00:00Z&scheduled_at[lt]=2031-04-01T00:00:00Z"
	for query, want := range map[string][]api.CalendarEntry{
		march:                               {line},
		march + "&state=scheduled":          {line},
		march + "&state=published":          {},
		march + "&channel=" + ch:            {line},
		march + "&channel=" + id.New("chn"): {},
		"scheduled_at[gte]=2031-03-01T09:00:01Z&scheduled_at[lt]=2031-04-01T00:00:00Z": {},
	} {
		code, body := ask(query)
		var got api.Calendar
		must(t, json.Unmarshal([]byte(body), &got))
		if diff := cmp.Diff(want, got.Data); code != http.StatusOK || diff != "" || got.HasMore {
			t.Errorf("%s: %d %s", query, code, diff)
		}
	}
	for _, query := range []string{
		"", "scheduled_at[gte]=2031-03-01T00:00:00Z", march + "&state=odd", march + "&channel=chn_other",
		"scheduled_at[gte]=2031-03-01T00:00:00Z&scheduled_at[lt]=2031-06-01T00:00:00Z",
		"scheduled_at[gte]=2031-03-01T00:00:00Z&scheduled_at[lt]=2031-03-01T00:00:00Z",
	} {
		if code, body := ask(query); code != http.StatusBadRequest && code != http.StatusUnprocessableEntity {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
}
