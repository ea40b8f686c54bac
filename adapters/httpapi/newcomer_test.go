package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/tenants"
)

// newcomer is an owner in a tenant of their own, with the headers of a request.
func newcomer(t *testing.T) (w *world, tenant tenants.ID, headers map[string]string) {
	t.Helper()
	w = newWorld(t, postgrestest.Open(t))
	tenant = postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Owner)
	return w, tenant, map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(tenant)}
}

// with is headers and one more.
func with(headers map[string]string, name, value string) map[string]string {
	out := map[string]string{name: value}
	for k, v := range headers {
		if k != name {
			out[k] = v
		}
	}
	return out
}

// A tenant says its name whichever way it is asked.
func TestATenantHasItsName(t *testing.T) {
	w, tenant, headers := newcomer(t)
	at := "/api/v1/tenants/" + string(tenant)
	for _, step := range []struct{ method, path, body string }{
		{"GET", at, ""}, {"PATCH", at, `{"name":"Another"}`}, {"POST", at + "/publishing:pause", ""}, {"POST", at + "/publishing:resume", ""},
	} {
		code, _, body := w.call(step.method, step.path, headers, step.body)
		if code != 200 || decode(t, body)["id"] != string(tenant) {
			t.Errorf("%s %s: %d %s", step.method, step.path, code, body)
		}
	}
}

// compose makes a draft for a channel of the tenant's and returns where it is.
func (w *world) compose(headers map[string]string, ch, schedule string) (at string) {
	w.t.Helper()
	code, _, body := w.call("POST", "/api/v1/posts", headers, fmt.Sprintf(`{"segments":[{"text":"x"}],"channels":[{"channel_id":%q}]%s}`, ch, schedule))
	if code != 201 {
		w.t.Fatal(code, body)
	}
	return "/api/v1/posts/" + fmt.Sprint(decode(w.t, body)["id"])
}

// planned is a post that goes out tomorrow.
func (w *world) planned(headers map[string]string, tenant tenants.ID, body string) (at string) {
	w.t.Helper()
	at = w.compose(headers, w.channel(tenant), "")
	code, _, answer := w.call("POST", at+":schedule", with(with(headers, "If-Match", `"v1"`), "Idempotency-Key", "plan-"+at), body)
	if code != 200 {
		w.t.Fatal(code, answer)
	}
	return at
}

const wallTime = `{"local_time":"2027-03-01T09:00:00","timezone":"Europe/Lisbon"}`

// Taking the time away stops a post, and giving one moves it however the old
// one was written.
func TestAPatchOfTheTime(t *testing.T) {
	w, tenant, headers := newcomer(t)
	for name, tc := range map[string]struct {
		patch, state, at string
	}{
		"null":            {`{"schedule":null}`, "draft", ""},
		"an instant":      {`{"schedule":{"publish_at":"2027-03-02T10:00:00Z"}}`, "scheduled", "2027-03-02T10:00:00Z"},
		"a wall time":     {`{"schedule":{"local_time":"2027-03-02T10:00:00"}}`, "scheduled", "2027-03-02T10:00:00Z"},
		"another zone":    {`{"schedule":{"timezone":"Europe/Paris"}}`, "scheduled", "2027-03-01T08:00:00Z"},
		"words":           {`{"segments":[{"text":"y"}]}`, "scheduled", "2027-03-01T09:00:00Z"},
		"the same, again": {`{"schedule":` + wallTime + `}`, "scheduled", "2027-03-01T09:00:00Z"},
	} {
		post := w.planned(headers, tenant, wallTime)
		code, _, body := w.call("PATCH", post, with(headers, "If-Match", `"v2"`), tc.patch)
		got := decode(t, body)
		schedule, _ := got["schedule"].(map[string]any)
		if at, _ := schedule["publish_at"].(string); code != 200 || got["state"] != tc.state || at != tc.at {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

// What goes out now has no time to take away: silence would let it go.
func TestAPatchDoesNotSilentlyKeepWhatGoesOutNow(t *testing.T) {
	w, tenant, headers := newcomer(t)
	post := w.compose(headers, w.channel(tenant), "")
	w.call("POST", post+":publish", with(with(headers, "If-Match", `"v1"`), "Idempotency-Key", "now"), "")
	code, _, body := w.call("PATCH", post, with(headers, "If-Match", `"v2"`), `{"schedule":null}`)
	if code != 409 || !strings.Contains(body, `"pointer":"/schedule"`) {
		t.Errorf("%d %s", code, body)
	}
}

// A draft's time is a wish until it is armed; none is taken that cannot come.
// What is wrong is named where it was written.
func TestTheTimeOfADraft(t *testing.T) {
	w, tenant, headers := newcomer(t)
	ch := w.channel(tenant)
	for body, want := range map[string]string{
		`"publish_at":"2020-01-01T00:00:00Z"`:                       `"pointer":"/schedule/publish_at"`,
		`"local_time":"2020-01-01T00:00:00","timezone":"UTC"`:       `"pointer":"/schedule/local_time"`,
		`"local_time":"2027-01-01T00:00:00","timezone":"Nope/Nope"`: `"pointer":"/schedule/timezone"`,
	} {
		code, _, answer := w.call("POST", "/api/v1/posts", headers, `{"segments":[{"text":"x"}],"schedule":{`+body+`}}`)
		if code != 422 || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", body, code, answer)
		}
	}
	post := w.compose(headers, ch, `,"schedule":`+wallTime)
	arm := func(body string) (int, string) {
		code, _, answer := w.call("POST", post+":schedule", with(with(headers, "If-Match", `"v1"`), "Idempotency-Key", "arm"+body), body)
		return code, answer
	}
	for body, want := range map[string]string{
		`{"publish_at":"2020-01-01T00:00:00Z"}`:                        `"pointer":"/publish_at"`,
		`{"local_time":"2020-01-01T00:00:00","timezone":"UTC"}`:        `"pointer":"/local_time"`,
		`{"local_time":"2027-01-01T00:00:00","timezone":"Nope/Nope"}`:  `"pointer":"/timezone"`,
		`{"publish_at":"2027-01-01T00:00:00Z","timezone":"Nope/Nope"}`: `"pointer":"/timezone"`,
	} {
		if code, answer := arm(body); code != 422 || !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", body, code, answer)
		}
	}
	code, answer := arm("")
	if got := decode(t, answer); code != 200 || got["state"] != "scheduled" || !strings.Contains(answer, `"publish_at":"2027-03-01T09:00:00Z"`) {
		t.Errorf("%d %s", code, answer)
	}
}

// An upload that breaks off is the sender's to repeat, not our fault.
func TestAnUploadThatBreaksOff(t *testing.T) {
	w, _, headers := newcomer(t)
	code, _, body := w.call("POST", "/api/v1/media", with(headers, "Content-Type", "multipart/form-data; boundary=b"),
		"--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.png\"\r\nContent-Type: image/png\r\n\r\nhalf of a pict")
	if code != 400 || !strings.Contains(body, `"code":"request.incomplete"`) {
		t.Errorf("%d %s", code, body)
	}
}

// A parameter that cannot be read is named, with what would do.
func TestABadParameterIsNamed(t *testing.T) {
	w, tenant, headers := newcomer(t)
	post := w.compose(headers, w.channel(tenant), "")
	for _, tc := range []struct{ method, path, header, value, pointer, says string }{
		{"DELETE", post, "If-Match", "v3", "/header/If-Match", `such as \"v3\"`},
		{"DELETE", post, "If-Match", `W/"v1"`, "/header/If-Match", "If-Match is missing or cannot be read."},
		{"GET", "/api/v1/posts?limit=abc", "", "", "/query/limit", "a whole number"},
		{"POST", "/api/v1/posts?dry_run=maybe", "", "", "/query/dry_run", "true or false"},
		{"GET", "/api/v1/calendar", "", "", "/query/scheduled_at[gte]", "such as 2027-03-01T00:00:00Z"},
		{"POST", "/api/v1/posts", "Idempotency-Key", strings.Repeat("k", 256), "/header/Idempotency-Key", "1 to 255"},
	} {
		body := ""
		if tc.method == "POST" {
			body = `{"segments":[{"text":"x"}]}`
		}
		code, _, answer := w.call(tc.method, tc.path, with(headers, tc.header, tc.value), body)
		if code != 400 || !strings.Contains(answer, fmt.Sprintf(`"pointer":%q`, tc.pointer)) || !strings.Contains(answer, tc.says) {
			t.Errorf("%s %s %s: %d %s", tc.method, tc.path, tc.value, code, answer)
		}
	}
}

// What a parameter can be is listed in the contract, and nothing else is heard.
func TestAValueThatIsNoneIsRefused(t *testing.T) {
	w, _, headers := newcomer(t)
	for path, pointer := range map[string]string{
		"/api/v1/audit:export?format=xml": "/query/format", "/api/v1/audit:export?format=": "/query/format",
		"/api/v1/posts?state=nope": "/query/state", "/api/v1/posts?sort=name": "/query/sort",
	} {
		code, _, answer := w.call("GET", path, headers, "")
		if code != 400 || !strings.Contains(answer, fmt.Sprintf(`"pointer":%q`, pointer)) || !strings.Contains(answer, "can be one of: ") {
			t.Errorf("%s: %d %s", path, code, answer)
		}
	}
}

// A rehearsal of a time says what keeping it would, and at which member.
func TestValidatingATime(t *testing.T) {
	w, tenant, headers := newcomer(t)
	post := fmt.Sprintf(`{"segments":[{"text":"x"}],"channels":[{"channel_id":%q}],"schedule":%%s}`, w.channel(tenant))
	for schedule, want := range map[string]string{
		`{"local_time":"2020-03-01T09:00:00","timezone":"UTC"}`:     `"code":"schedule.past","detail":"Choose a time in the future.","pointer":"/schedule/local_time"`,
		`{"publish_at":"2020-03-01T09:00:00Z"}`:                     `"pointer":"/schedule/publish_at"`,
		`{"local_time":"2027-02-30T09:00:00","timezone":"UTC"}`:     `"code":"schedule.no_such_time"`,
		`{"local_time":"2027-03-01T09:00:00","timezone":"Mars/X"}`:  `"pointer":"/schedule/timezone"`,
		`{"publish_at":"2027-03-01T09:00:00Z","timezone":"Mars/X"}`: `"pointer":"/schedule/timezone"`,
		`{}`: `"code":"schedule.empty"`,
	} {
		body := fmt.Sprintf(post, schedule)
		if code, _, answer := w.call("POST", "/api/v1/posts:validate", headers, body); code != 200 || !strings.Contains(answer, `"ok":false`) || !strings.Contains(answer, want) {
			t.Errorf("validate %s: %d %s", schedule, code, answer)
		}
		for _, path := range []string{"/api/v1/posts", "/api/v1/posts?dry_run=true"} {
			if code, _, answer := w.call("POST", path, headers, body); code != 422 || !strings.Contains(answer, strings.Split(want, ",")[0]) {
				t.Errorf("%s %s: %d %s", path, schedule, code, answer)
			}
		}
	}
	if code, _, answer := w.call("POST", "/api/v1/posts:validate", headers, fmt.Sprintf(post, `{"publish_at":"2027-03-01T09:00:00Z"}`)); code != 200 || !strings.Contains(answer, `"ok":true`) {
		t.Errorf("a good time: %d %s", code, answer)
	}
}

// A draft's own time that has passed is at no member of a body that was not sent.
func TestADraftsTimeHasPassed(t *testing.T) {
	w, tenant, headers := newcomer(t)
	post := w.compose(headers, w.channel(tenant), `,"schedule":{"local_time":"2027-03-01T09:00:00","timezone":"UTC"}`)
	postgrestest.Exec(t, w.db, "update posts set local_time = '2020-03-01T09:00:00' where tenant_id = $1", tenant)
	code, _, body := w.call("POST", post+":schedule", with(with(headers, "If-Match", `"v1"`), "Idempotency-Key", "k"), "")
	if code != 422 || !strings.Contains(body, "schedule.past") || !strings.Contains(body, "own time has passed") || strings.Contains(body, "local_time") {
		t.Errorf("%d %s", code, body)
	}
}

// What is wrong is named by the member that was sent.
func TestPointersAreOfWhatWasSent(t *testing.T) {
	w, tenant, headers := newcomer(t)
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	_, token := w.member(agency, tenants.Owner)
	above := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(agency)}
	children := "/api/v1/tenants/" + string(agency) + "/children"
	post := fmt.Sprintf(`{"segments":[{"text":"x","media":[{"id":"med_nope"}]}],"channels":[{"channel_id":%q}]}`, w.channel(tenant))
	for _, tc := range []struct {
		headers             map[string]string
		path, body, pointer string
	}{
		{above, children, `{"kind":"workspace","name":"x","timezone":"Nope"}`, "/timezone"},
		{above, children, `{"kind":"workspace","name":"x","locale":"?"}`, "/locale"},
		{headers, "/api/v1/api-keys", `{"name":"x","scopes":["post.read","nope.read"]}`, "/scopes/1"},
		{headers, "/api/v1/posts:validate", post, "/segments/0/media/0/id"},
	} {
		if _, _, answer := w.call("POST", tc.path, tc.headers, tc.body); !strings.Contains(answer, fmt.Sprintf(`"pointer":%q`, tc.pointer)) {
			t.Errorf("%s: %s", tc.path, answer)
		}
	}
}

// An action that takes no body refuses one that says something.
func TestABodyThatNobodyWouldReadIsRefused(t *testing.T) {
	w, tenant, headers := newcomer(t)
	for body, want := range map[string]string{
		`{"foo":1}`: `"pointer":"/foo"`, `{"publish_at":"2027-01-01T00:00:00Z"}`: `"pointer":"/publish_at"`, `[]`: "json.wrong_type", `{`: "request.malformed",
		``: `"state":"scheduled"`, `{}`: `"state":"scheduled"`,
	} {
		post := w.compose(headers, w.channel(tenant), "")
		code, _, answer := w.call("POST", post+":publish", with(with(headers, "If-Match", `"v1"`), "Idempotency-Key", "p"+post), body)
		if !strings.Contains(answer, want) {
			t.Errorf("%s: %d %s", body, code, answer)
		}
	}
}

// What the contract bounds is bounded, and what is compressed is not taken for
// what it is not.
func TestAnUploadIsWithinTheContract(t *testing.T) {
	w, _, headers := newcomer(t)
	headers["Content-Type"] = "image/png"
	for query, want := range map[string]string{
		"?alt=" + strings.Repeat("a", 2001): `"pointer":"/query/alt"`, "?name=" + strings.Repeat("a", 256): `"pointer":"/query/name"`, "?alt=" + strings.Repeat("a", 2000): `"object":"media"`,
	} {
		if code, _, answer := w.call("POST", "/api/v1/media"+query, headers, "x"); !strings.Contains(answer, want) {
			t.Errorf("%.20s: %d %s", query, code, answer)
		}
	}
	if code, _, answer := w.call("POST", "/api/v1/media", with(headers, "Content-Encoding", "gzip"), "x"); code != 415 || !strings.Contains(answer, "request.unsupported_encoding") {
		t.Errorf("gzip: %d %s", code, answer)
	}
}
