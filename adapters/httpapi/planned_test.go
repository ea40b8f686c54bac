package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants"
)

// What holds a planned post back is on the post, in lists and on the receipt,
// whichever level holds it, for as long as it does.
func TestHeldPosts(t *testing.T) {
	db := postgrestest.Open(t)
	w := newWorld(t, db)
	agency := postgrestest.Child(t, db, postgrestest.Operator, tenants.Agency)
	tenant := postgrestest.Child(t, db, agency, tenants.Workspace)
	_, token := w.member(tenant, tenants.Owner)
	_, above := w.member(agency, tenants.Owner)
	here := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
	there := map[string]string{"Authorization": "Bearer " + above, "Carillon-Tenant": string(agency)}
	ch := w.channel(tenant)
	post, _ := w.postIn(tenant, channels.ID(ch), publishing.Scheduled)

	for name, level := range map[string]struct {
		who    map[string]string
		path   string
		reason string
	}{
		"channel":   {here, "/channels/" + ch + ":", "channel.paused"},
		"workspace": {here, "/tenants/" + string(tenant) + "/publishing:", "tenant.paused"},
		"agency":    {there, "/tenants/" + string(agency) + "/publishing:", "tenant.paused_above"},
	} {
		want := fmt.Sprintf(`"held":{"message":%q,"reason":%q}`, messageOf(level.reason), level.reason)
		for _, verb := range []string{"pause", "resume"} {
			if code, _, body := w.call("POST", "/api/v1"+level.path+verb, level.who, ""); code != 200 {
				t.Fatalf("%s %s: %d %s", name, verb, code, body)
			}
			for path, times := range map[string]int{"/posts/" + post: 2, "/posts": 2, "/posts/" + post + "/receipt": 2} {
				if verb == "resume" {
					times = 0
				}
				if _, _, body := w.call("GET", "/api/v1"+path, here, ""); strings.Count(body, want) != times {
					t.Errorf("%s %s: %s says %s", name, verb, path, body)
				}
			}
		}
	}
}

func messageOf(reason string) string {
	return map[string]string{
		"channel.paused": "This channel is paused.", "tenant.paused": "Publishing is paused in this workspace.",
		"tenant.paused_above": "Publishing is paused above this workspace.",
	}[reason]
}

// Work that goes on says where to look for it, again when it is asked again.
func TestJobsAreFound(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	names := w.victim(tenant, owner)
	headers := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant), "Idempotency-Key": "one"}
	for path, want := range map[string]struct{ kind, subject string }{
		"/posts/" + names["post"] + "/metrics:refresh":         {"metrics.refresh", names["post"]},
		"/webhooks/" + names["webhook"] + ":replay":            {"webhook.replay", names["webhook"]},
		"/webhook-deliveries/" + names["delivery"] + ":replay": {"webhook.redelivery", ""},
	} {
		body := ""
		if want.kind == "webhook.replay" {
			body = bodies["replayWebhook"]
		}
		code, first, answer := w.call("POST", "/api/v1"+path, headers, body)
		if code != 202 || first.Get("Location") == "" {
			t.Fatalf("%s: %d %v %s", path, code, first, answer)
		}
		if _, again, _ := w.call("POST", "/api/v1"+path, headers, body); again.Get("Location") != first.Get("Location") || again.Get("Idempotency-Replayed") != "true" {
			t.Errorf("%s again: %v", path, again)
		}
		code, _, answer = w.call("GET", first.Get("Location"), headers, "")
		if job := decode(t, answer); code != 200 || job["type"] != want.kind || want.subject != "" && job["subject"] != want.subject || job["status"] != "queued" {
			t.Errorf("%s: %d %s", path, code, answer)
		}
	}
}

// A client may ask for figures, and is not sent to a job it cannot read.
func TestAClientIsNotSentToAJob(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, _ := w.member(tenant, tenants.Owner)
	names := w.victim(tenant, owner)
	_, client := w.member(tenant, tenants.Client)
	code, header, body := w.call("POST", "/api/v1/posts/"+names["post"]+"/metrics:refresh",
		map[string]string{"Authorization": "Bearer " + client, "Carillon-Tenant": string(tenant), "Idempotency-Key": "one"}, "")
	if code != 202 || header.Get("Location") != "" {
		t.Errorf("%d %v %s", code, header, body)
	}
}

// A job ends once, if it is one that may end in the middle.
func TestJobsAreCanceled(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	owner, token := w.member(tenant, tenants.Owner)
	_, editor := w.member(tenant, tenants.Editor)
	names := w.victim(tenant, owner)
	headers := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant), "Idempotency-Key": "one"}
	_, header, _ := w.call("POST", "/api/v1/webhooks/"+names["webhook"]+":replay", headers, bodies["replayWebhook"])
	replay := header.Get("Location")
	_, header, _ = w.call("POST", "/api/v1/webhook-deliveries/"+names["delivery"]+":replay", headers, "")
	redelivery := header.Get("Location")
	done := w.job(tenant)
	postgrestest.Exec(t, w.db, "update river.river_job set state = 'completed', finalized_at = now() where id = (select queue_id from jobs where job_id = $1)", done)
	for _, step := range []struct{ token, at, says string }{
		{editor, replay, `"code":"role.denied"`},
		{token, replay, `"status":"canceled"`},
		{token, replay, `"status":"canceled"`}, // again is harmless
		{token, redelivery, `"code":"job.not_endable"`},
		{token, "/api/v1/jobs/" + done, `"code":"job.finished"`},
	} {
		headers["Authorization"] = "Bearer " + step.token
		if code, _, body := w.call("POST", step.at+":cancel", headers, ""); !strings.Contains(body, step.says) {
			t.Errorf("%s: %d %s, want %s", step.at, code, body, step.says)
		}
	}
}

func TestPublishingSettings(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, owner := w.member(tenant, tenants.Owner)
	_, editor := w.member(tenant, tenants.Editor)
	for _, step := range []struct {
		token, body string
		status      int
		says        string
	}{
		{owner, "", 200, `{"missed_after_s":21600}`},
		{owner, `{"missed_after_s":0}`, 200, `{"missed_after_s":0}`},
		{owner, `{"missed_after_s":2592000}`, 200, `{"missed_after_s":2592000}`},
		{owner, `{"missed_after_s":2592001}`, 422, `"pointer":"/missed_after_s"`},
		{owner, `{"missed_after_s":-1}`, 422, `"pointer":"/missed_after_s"`},
		{owner, `{}`, 422, `"pointer":"/missed_after_s"`},
		{editor, `{"missed_after_s":60}`, 403, "role.denied"},
		{editor, "", 200, `{"missed_after_s":2592000}`},
	} {
		method := "PUT"
		if step.body == "" {
			method = "GET"
		}
		code, _, body := w.call(method, "/api/v1/publishing/settings", map[string]string{"Authorization": "Bearer " + step.token, "Carillon-Tenant": string(tenant)}, step.body)
		if code != step.status || !strings.Contains(body, step.says) {
			t.Errorf("%s %s: %d %s", method, step.body, code, body)
		}
	}
}

// A file is streamed, whole or in part, and only ever saved.
func TestMediaContent(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	headers := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant), "Content-Type": "image/png"}
	file := strings.Repeat("0123456789", 20_000)
	code, _, body := w.call("POST", "/api/v1/media", headers, file)
	if code != 201 {
		t.Fatal(code, body)
	}
	at := "/api/v1/media/" + fmt.Sprint(decode(t, body)["id"]) + "/content"
	tag := `"` + strings.Repeat("0a", 32) + `"`
	for name, tc := range map[string]struct {
		asked, ifRange string
		status         int
		body, where    string
	}{
		"all":          {"", "", 200, file, ""},
		"a part":       {"bytes=5-14", "", 206, "5678901234", "bytes 5-14/200000"},
		"the end":      {"bytes=-3", "", 206, "789", "bytes 199997-199999/200000"},
		"same file":    {"bytes=0-0", tag, 206, "0", "bytes 0-0/200000"},
		"another file": {"bytes=0-0", `"else"`, 200, file, ""},
		"several":      {"bytes=0-0,5-5", "", 200, file, ""},
		"past the end": {"bytes=200000-", "", 416, "", "bytes */200000"},
	} {
		code, header, body := w.call("GET", at, map[string]string{
			"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant), "Range": tc.asked, "If-Range": tc.ifRange,
		}, "")
		if code != tc.status || header.Get("Content-Range") != tc.where || tc.body != "" && body != tc.body {
			t.Errorf("%s: %d %v, %d bytes", name, code, header, len(body))
		}
		if header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %v", name, header)
		}
		if code < 300 && (header.Get("Content-Disposition") != "attachment" || !strings.HasPrefix(header.Get("Content-Security-Policy"), "sandbox") ||
			header.Get("ETag") != tag || header.Get("Content-Type") != "image/png" || header.Get("Content-Length") != fmt.Sprint(len(body))) {
			t.Errorf("%s: %v", name, header)
		}
	}
}
