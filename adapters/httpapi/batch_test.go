package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/media/mediatest"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// as is how one member of a tenant asks.
func as(tenant tenants.ID, token string) map[string]string {
	return map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant), "Idempotency-Key": id.New("x")}
}

func (w *world) count(tenant tenants.ID, token string) int {
	w.t.Helper()
	_, _, body := w.call("GET", "/api/v1/posts?limit=100", as(tenant, token), "")
	return len(decode(w.t, body)["data"].([]any))
}

// Each of many has an answer of its own, in its place.
func TestABatchAnswersForEach(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	const mixed = `{"posts":[{"segments":[{"text":"one"}]},{"segments":[]},{"segments":[{"text":"x"}],"txt":"y"},
		{"segments":[{"text":"two"}],"schedule":{"local_time":"2027-03-01T09:00:00","timezone":"Nowhere/Land"}},{"segments":[{"text":"three"}]},"no post"]%s}`
	headers := as(tenant, token)
	code, _, body := w.call("POST", "/api/v1/posts:batch", headers, fmt.Sprintf(mixed, ""))
	if code != 207 {
		t.Fatal(code, body)
	}
	out := decode(t, body)
	for i, status := range []float64{201, 422, 422, 422, 201, 422} {
		item := out["data"].([]any)[i].(map[string]any)
		if item["index"] != float64(i) || item["status"] != status || (item["post"] != nil) != (status == 201) || (item["problem"] != nil) == (status == 201) {
			t.Errorf("%d: %v", i, item)
		}
	}
	if out["created"] != 2.0 || out["failed"] != 4.0 || w.count(tenant, token) != 2 {
		t.Errorf("%v created, %v failed, %d there", out["created"], out["failed"], w.count(tenant, token))
	}
	if code, header, again := w.call("POST", "/api/v1/posts:batch", headers, fmt.Sprintf(mixed, "")); code != 207 || header.Get("Idempotency-Replayed") != "true" || !strings.Contains(again, fmt.Sprint(out["data"].([]any)[4].(map[string]any)["post"].(map[string]any)["id"])) {
		t.Errorf("again: %d %s", code, again)
	}
	code, _, body = w.call("POST", "/api/v1/posts:batch", as(tenant, token), fmt.Sprintf(mixed, `,"atomic":true`))
	if code != 422 || !strings.Contains(body, `"code":"batch.refused"`) || !strings.Contains(body, `"pointer":"/posts/1/segments"`) ||
		!strings.Contains(body, `"pointer":"/posts/3/schedule/timezone"`) || strings.Contains(body, `"/posts/0`) {
		t.Errorf("atomic: %d %s", code, body)
	}
	if n := w.count(tenant, token); n != 2 {
		t.Errorf("%d posts after all", n)
	}
}

func TestABatchHasBounds(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	_, viewer := w.member(tenant, tenants.Viewer)
	many := func(n int) string {
		return `{"posts":[` + strings.TrimSuffix(strings.Repeat(`{"segments":[{"text":"x"}]},`, n), ",") + `]}`
	}
	noKey := as(tenant, token)
	delete(noKey, "Idempotency-Key")
	for name, tc := range map[string]struct {
		headers map[string]string
		body    string
		status  int
		says    string
	}{
		"none":        {as(tenant, token), `{"posts":[]}`, 422, `"pointer":"/posts"`},
		"a hundred":   {as(tenant, token), many(100), 207, `"created":100`},
		"one more":    {as(tenant, token), many(101), 422, `"pointer":"/posts"`},
		"without key": {noKey, many(1), 422, "idempotency.key_required"},
		"a viewer":    {as(tenant, viewer), many(1), 403, "role.denied"},
	} {
		if code, _, body := w.call("POST", "/api/v1/posts:batch", tc.headers, tc.body); code != tc.status || !strings.Contains(body, tc.says) {
			t.Errorf("%s: %d %.300s", name, code, body)
		}
	}
}

// A rehearsal answers as the real thing and keeps nothing, not even the key.
func TestADryRunKeepsNothing(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	ch := w.channel(tenant)
	headers := as(tenant, token)
	const draft = `{"segments":[{"text":"hello"}],"channels":[{"channel_id":"%s"}]}`
	code, header, body := w.call("POST", "/api/v1/posts?dry_run=true", headers, fmt.Sprintf(draft, ch))
	if code != 201 || header.Get("Carillon-Dry-Run") != "true" || w.count(tenant, token) != 0 {
		t.Errorf("create: %d %s", code, body)
	}
	if code, _, body := w.call("POST", "/api/v1/posts:batch?dry_run=true", headers, `{"posts":[`+fmt.Sprintf(draft, ch)+`]}`); code != 207 || !strings.Contains(body, `"created":1`) || w.count(tenant, token) != 0 {
		t.Errorf("batch: %d %s", code, body)
	}
	code, header, body = w.call("POST", "/api/v1/posts", headers, fmt.Sprintf(draft, ch))
	if code != 201 || header.Get("Idempotency-Replayed") != "" || header.Get("Carillon-Dry-Run") != "" {
		t.Fatal(code, header, body)
	}
	post := "/api/v1/posts/" + fmt.Sprint(decode(t, body)["id"])
	_, _, before := w.call("GET", post, headers, "")
	headers["If-Match"] = `"v1"`
	for name, tc := range map[string]struct{ verb, body, says string }{
		"schedule":   {":schedule?dry_run=true", `{"local_time":"2027-03-01T09:00:00","timezone":"Europe/Lisbon"}`, `"state":"scheduled"`},
		"publish":    {":publish?dry_run=true", "", `"deliveries":[{`},
		"a mistake":  {":schedule?dry_run=true", `{"local_time":"2027-03-01T09:00:00","timezone":"Nowhere/Land"}`, "schedule.unknown_zone"},
		"its zone":   {":schedule?dry_run=true", `{"local_time":"2027-03-01T09:00:00","timezone":"Nowhere/Land"}`, `"pointer":"/timezone"`},
		"its past":   {":schedule?dry_run=true", `{"local_time":"2020-03-01T09:00:00","timezone":"UTC"}`, `"pointer":"/local_time"`},
		"no boolean": {":publish?dry_run=perhaps", "", `"pointer":"/query/dry_run"`},
	} {
		if code, _, body := w.call("POST", post+tc.verb, headers, tc.body); !strings.Contains(body, tc.says) {
			t.Errorf("%s: %d %s", name, code, body)
		}
		if _, _, after := w.call("GET", post, as(tenant, token), ""); after != before {
			t.Errorf("%s left %s", name, after)
		}
	}
}

func TestSorting(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	for _, hour := range []string{"10", "09", "11"} {
		if code, _, body := w.call("POST", "/api/v1/posts", as(tenant, token), `{"segments":[{"text":"`+hour+`"}],"schedule":{"local_time":"2027-03-01T`+hour+`:00:00","timezone":"UTC"}}`); code != 201 {
			t.Fatal(code, body)
		}
	}
	postgrestest.Exec(t, w.db, "update posts set publish_at = local_time::timestamp at time zone 'UTC' where tenant_id = $1", tenant)
	const calendar = "scheduled_at[gte]=2027-03-01T00:00:00Z&scheduled_at[lt]=2027-03-02T00:00:00Z&"
	for query, want := range map[string]string{
		"": "11 09 10", "sort=-created_at": "11 09 10", "sort=created_at": "10 09 11",
		calendar: "09 10 11", calendar + "sort=scheduled_at": "09 10 11", calendar + "sort=-scheduled_at": "11 10 09",
	} {
		if got := w.texts(tenant, token, query); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	if got := w.texts(tenant, token, "sort=created_at&limit=1"); got != "10 09 11" {
		t.Errorf("page by page: %s", got)
	}
	for _, query := range []string{"sort=state", "sort=scheduled_at", calendar + "sort=created_at"} {
		if code, _, body := w.call("GET", "/api/v1/posts?"+query, as(tenant, token), ""); code/100 != 4 || !strings.Contains(body, `"/query/sort"`) {
			t.Errorf("%s: %d %s", query, code, body)
		}
	}
}

// texts reads a list to its end.
func (w *world) texts(tenant tenants.ID, token, query string) string {
	w.t.Helper()
	var all []string
	for cursor := ""; ; {
		_, _, body := w.call("GET", "/api/v1/posts?"+strings.TrimSuffix(query, "&")+cursor, as(tenant, token), "")
		list := decode(w.t, body)
		for _, p := range list["data"].([]any) {
			all = append(all, p.(map[string]any)["segments"].([]any)[0].(map[string]any)["text"].(string))
		}
		if list["has_more"] != true {
			return strings.Join(all, " ")
		}
		cursor = "&cursor=" + list["next_cursor"].(string)
	}
}

func TestInclude(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	file := mediatest.New(time.Now(), media.Ready)
	must(t, w.db.Media().Update(t.Context(), tenant, func(tx media.Tx) error { return tx.Save(t.Context(), file) }))
	lost := mediatest.New(time.Now(), media.Ready)
	must(t, w.db.Media().Update(t.Context(), tenant, func(tx media.Tx) error { return tx.Save(t.Context(), lost) }))
	_, _, body := w.call("POST", "/api/v1/posts", as(tenant, token), `{"segments":[{"text":"a","media":[{"id":"`+string(file.ID)+`"},{"id":"`+string(lost.ID)+`"}]},{"text":"b","media":[{"id":"`+string(file.ID)+`"}]}]}`)
	must(t, w.db.Media().Update(t.Context(), tenant, func(tx media.Tx) error { return tx.Drop(t.Context(), lost.ID) }))
	post := "/api/v1/posts/" + fmt.Sprint(decode(t, body)["id"])
	for query, want := range map[string][2]int{"": {0, 0}, "?include=media": {1, 0}, "?include=metrics": {0, 1}, "?include=metrics,media": {1, 1}} {
		_, _, body := w.call("GET", post+query, as(tenant, token), "")
		got := decode(t, body)
		if list, ok := got["media"].([]any); ok != (want[0] > 0) || len(list) != want[0] {
			t.Errorf("%s: media %v", query, got["media"])
		}
	}
	live, segment := w.postIn(tenant, channels.ID(w.channel(tenant)), publishing.Live)
	postgrestest.Exec(t, w.db, `insert into post_metrics (tenant_id, segment_id, at, counts) values ($1, $2, now(), '{"likes":3}')`, tenant, segment)
	if _, _, body := w.call("GET", "/api/v1/posts/"+live+"?include=metrics", as(tenant, token), ""); !strings.Contains(body, `"likes":3`) {
		t.Error(body)
	}
	if code, _, body := w.call("GET", post+"?include=secrets", as(tenant, token), ""); code != 400 || !strings.Contains(body, `"pointer":"/query/include"`) {
		t.Errorf("%d %s", code, body)
	}
}
