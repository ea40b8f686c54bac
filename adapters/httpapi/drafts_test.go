package httpapi_test

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/media/mediatest"
	"github.com/carillonhq/carillon/tenants"
)

// file is one that is ready.
func (w *world) file(tenant tenants.ID) string {
	w.t.Helper()
	m := mediatest.New(time.Now(), media.Ready)
	must(w.t, w.db.Media().Update(w.t.Context(), tenant, func(tx media.Tx) error { return tx.Save(w.t.Context(), m) }))
	return string(m.ID)
}

// pointers lists what a problem is about, as "code pointer".
func pointers(t testing.TB, body string) (out []string) {
	t.Helper()
	list, _ := decode(t, body)["errors"].([]any)
	for _, e := range list {
		e := e.(map[string]any)
		out = append(out, fmt.Sprint(e["code"], " ", e["pointer"]))
	}
	return out
}

// What a draft names is there, and whether somebody else has it makes no
// difference to the answer.
func TestADraftNamesNothingThatIsNotThere(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	us, them := postgrestest.Tenant(t, w.db), postgrestest.Tenant(t, w.db)
	_, token := w.member(us, tenants.Editor)
	ours, channel := w.file(us), w.channel(us)
	_, _, body := w.call("POST", "/api/v1/posts", as(us, token), `{"segments":[{"text":"x"}]}`)
	post := "/api/v1/posts/" + fmt.Sprint(decode(t, body)["id"])
	for name, tc := range map[string]struct {
		fields string // of a draft, with %s for the name
		names  []string
		want   string
	}{
		"a file":                {`"segments":[{"text":"x","media":[{"id":"` + ours + `"},{"id":"%s"}]}]`, []string{w.file(them), string(media.NewID(time.Now())), "med_x"}, "media.not_found /segments/0/media/1/id"},
		"a channel":             {`"segments":[{"text":"x"}],"channels":[{"channel_id":"%s"}]`, []string{w.channel(them), string(channels.NewID()), "chn_x"}, "channel.not_found /channels/0/channel_id"},
		"a format":              {`"segments":[{"text":"x"}],"channels":[{"channel_id":"` + channel + `","format":"%s"}]`, []string{"story"}, "channel.no_format /channels/0/format"},
		"a format of a channel": {`"segments":[{"text":"x"}],"channels":[{"channel_id":"%s","format":"post"}]`, []string{w.channel(them), string(channels.NewID())}, "channel.not_found /channels/0/channel_id"},
	} {
		t.Run(name, func(t *testing.T) {
			answers := map[string][]string{}
			for _, asked := range tc.names {
				draft := "{" + fmt.Sprintf(tc.fields, asked) + "}"
				code, _, created := w.call("POST", "/api/v1/posts", as(us, token), draft)
				headers := as(us, token)
				headers["If-Match"] = `"v1"`
				patched, _, edited := w.call("PATCH", post, headers, draft)
				many, _, batch := w.call("POST", "/api/v1/posts:batch", as(us, token), `{"posts":[`+draft+`,{"segments":[{"text":"y"}]}]}`)
				all, _, atomic := w.call("POST", "/api/v1/posts:batch", as(us, token), `{"atomic":true,"posts":[{"segments":[{"text":"y"}]},`+draft+`]}`)
				if code != 422 || patched != 422 || many != 207 || all != 422 {
					t.Fatalf("%d %s\n%d %s\n%d %s\n%d %s", code, created, patched, edited, many, batch, all, atomic)
				}
				if !slices.Equal(pointers(t, created), []string{tc.want}) || !slices.Equal(pointers(t, edited), []string{tc.want}) {
					t.Errorf("created: %s\nedited: %s\nwant %s", created, edited, tc.want)
				}
				code2, at, _ := strings.Cut(tc.want, " ")
				if !slices.Equal(pointers(t, atomic), []string{code2 + " /posts/1" + at}) || !strings.Contains(batch, `"created":1`) || !strings.Contains(batch, `"pointer":"`+at+`"`) {
					t.Errorf("batch: %s\natomic: %s", batch, atomic)
				}
				for how, answer := range map[string]string{"created": created, "edited": edited} {
					answers[how] = append(answers[how], strings.ReplaceAll(answer, asked, "NAME"))
				}
			}
			for how, list := range answers {
				if slices.Sort(list); len(slices.Compact(list)) != 1 {
					t.Errorf("%s: the answers differ: %q", how, list)
				}
			}
		})
	}
	if n := w.count(us, token); n != 1+9 { // one of each batch that is not atomic
		t.Errorf("%d posts", n)
	}
}

// A file that somebody still means to post does not vanish from under them.
func TestAFileIsDeletedFromNoPostSilently(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Manager)
	file, other := w.file(tenant), w.file(tenant)
	create := func(body string) string {
		code, _, made := w.call("POST", "/api/v1/posts", as(tenant, token), body)
		if code != 201 {
			t.Fatal(code, made)
		}
		return fmt.Sprint(decode(t, made)["id"])
	}
	remove := func(query string) (int, map[string]any) {
		code, _, body := w.call("DELETE", "/api/v1/media/"+file+query, as(tenant, token), "")
		if body == "" {
			return code, nil
		}
		return code, decode(t, body)
	}
	draft := create(`{"segments":[{"text":"x","media":[{"id":"` + file + `"},{"id":"` + other + `"}]}]}`)
	bare := create(`{"segments":[{"text":"","media":[{"id":"` + file + `"}]}]}`)
	planned := create(`{"segments":[{"text":"x"}],"channels":[{"channel_id":"` + w.channel(tenant) + `"}],"schedule":{"local_time":"2027-03-01T09:00:00","timezone":"UTC"}}`)
	headers := as(tenant, token)
	headers["If-Match"] = `"v1"`
	if code, _, body := w.call("POST", "/api/v1/posts/"+planned+":schedule", headers, ""); code != 200 {
		t.Fatal(code, body)
	}
	postgrestest.Exec(t, w.db, `update segments set part = jsonb_build_object('text', 'x', 'media', jsonb_build_array(jsonb_build_object('media', $3::text))) where tenant_id = $1 and post_id = $2`, tenant, planned, file)

	code, problem := remove("")
	if diff := cmp.Diff([]any{draft, bare, planned}, problem["posts"]); code != 409 || problem["code"] != "media.in_use" || diff != "" {
		t.Fatalf("%d %v %s", code, problem, diff)
	}
	code, problem = remove("?force=true")
	if diff := cmp.Diff([]any{bare, planned}, problem["posts"]); code != 409 || diff != "" {
		t.Fatalf("%d %v %s", code, problem, diff)
	}
	_, _, body := w.call("GET", "/api/v1/posts/"+draft, as(tenant, token), "")
	if !strings.Contains(body, file) || decode(t, body)["version"] != 1.0 {
		t.Fatalf("half of it happened: %s", body)
	}
	w.call("POST", "/api/v1/posts/"+planned+":cancel", as(tenant, token), "")
	headers["If-Match"] = `"v1"`
	if code, _, body := w.call("DELETE", "/api/v1/posts/"+bare, headers, ""); code != 204 {
		t.Fatal(code, body)
	}
	if code, problem := remove("?force=true"); code != 204 {
		t.Fatal(code, problem)
	}
	_, _, body = w.call("GET", "/api/v1/posts/"+draft, as(tenant, token), "")
	if strings.Contains(body, file) || !strings.Contains(body, other) || decode(t, body)["version"] != 2.0 {
		t.Errorf("the draft: %s", body)
	}
	if code, _ := remove(""); code != 404 {
		t.Errorf("it is there still: %d", code)
	}
}

// The content decides what a picture is, and the answer says it.
func TestWhatIsDeclaredDecidesNothing(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	for declared, want := range map[string]string{"image/jpeg": `"mime":"image/png"`, "image/svg+xml": "media.unsupported", "application/pdf": "media.unsupported", "video/mp4": "media.unsupported", "text/html": "media.unsupported"} {
		headers := as(tenant, token)
		headers["Content-Type"] = declared
		if code, _, body := w.call("POST", "/api/v1/media?name=x.jpg", headers, "png"); !strings.Contains(body, want) || code != 201 && code != 422 {
			t.Errorf("%s: %d %s", declared, code, body)
		}
	}
}

// What describes a picture is as long wherever it is written.
func TestOneRuleForAlt(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	file := w.file(tenant)
	for name, tc := range map[string]struct {
		n, status int
	}{"the most": {media.MaxAlt, 0}, "one more": {media.MaxAlt + 1, 422}} {
		alt := strings.Repeat("é", tc.n)
		headers := as(tenant, token)
		code, _, body := w.call("PATCH", "/api/v1/media/"+file, headers, `{"alt":"`+alt+`"}`)
		inPost, _, post := w.call("POST", "/api/v1/posts", as(tenant, token), `{"segments":[{"text":"x","media":[{"id":"`+file+`","alt":"`+alt+`"}]}]}`)
		form, kind := formWith(t, map[string]string{"alt": alt, "name": "bells.png"}, "x")
		req := httptest.NewRequest(http.MethodPost, "/api/v1/media", form)
		for k, v := range as(tenant, token) {
			req.Header.Set(k, v)
		}
		req.Header.Set("Content-Type", kind)
		res, err := w.app.Test(req, 20_000)
		must(t, err)
		uploaded, err := io.ReadAll(res.Body)
		must(t, err)
		for how, status := range map[string]int{"changed": code, "in a post": inPost, "uploaded": res.StatusCode} {
			if tc.status == 0 && status/100 != 2 || tc.status != 0 && status != tc.status {
				t.Errorf("%s, %s: %d %.200s %.200s %.200s", name, how, status, body, post, uploaded)
			}
		}
		if tc.status == 0 && !strings.Contains(string(uploaded), `"name":"bells.png"`) {
			t.Errorf("%.200s", uploaded)
		}
	}
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.yaml")
	must(t, err)
	for _, of := range []string{"MediaPatch", "Attachment"} {
		if most := doc.Components.Schemas[of].Value.Properties["alt"].Value.MaxLength; most == nil || *most != media.MaxAlt {
			t.Errorf("%s: the contract says %v", of, most)
		}
	}
}

func formWith(t testing.TB, texts map[string]string, content string) (io.Reader, string) {
	t.Helper()
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for name, text := range texts {
		must(t, form.WriteField(name, text))
	}
	part, err := form.CreateFormFile("file", "f.png")
	must(t, err)
	_, err = part.Write([]byte(content))
	must(t, err)
	must(t, form.Close())
	return &body, form.FormDataContentType()
}

// One post of many that says something twice is one problem of many.
func TestABatchReadsEachPostByItself(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	const posts = `"posts":[{"segments":[{"text":"one"}]},{"segments":[{"text":"a","text":"b"}]},{"segments":[{"text":"x"}],"Segments":[]}]`
	code, _, body := w.call("POST", "/api/v1/posts:batch", as(tenant, token), `{`+posts+`}`)
	if code != 207 || !strings.Contains(body, `"created":1`) || !strings.Contains(body, `"pointer":"/segments/0/text"`) || !strings.Contains(body, `"pointer":"/Segments"`) {
		t.Errorf("%d %s", code, body)
	}
	code, _, body = w.call("POST", "/api/v1/posts:batch", as(tenant, token), `{"atomic":true,`+posts+`}`)
	if code != 422 || !strings.Contains(body, `"pointer":"/posts/1/segments/0/text"`) || !strings.Contains(body, `"pointer":"/posts/2/Segments"`) {
		t.Errorf("atomic: %d %s", code, body)
	}
	code, _, body = w.call("POST", "/api/v1/posts:batch", as(tenant, token), `{"atomic":true,"atomic":false,`+posts+`}`)
	if code != 422 || !slices.Equal(pointers(t, body), []string{"json.duplicate_member /atomic"}) {
		t.Errorf("the document: %d %s", code, body)
	}
}

func TestAKeyForNothingKnown(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Admin)
	for path, body := range map[string]string{
		"api-keys": `{"name":"x","scopes":["post.read","nope.read"]}`,
		"roles":    `{"name":"x","title":"X","actions":["post.read","nope.read"]}`,
	} {
		code, _, answer := w.call("POST", "/api/v1/"+path, as(tenant, token), body)
		if code != 422 || len(pointers(t, answer)) != 1 || !strings.HasSuffix(pointers(t, answer)[0], "/1") {
			t.Errorf("%s: %d %s", path, code, answer)
		}
	}
}

// The plan that does include it, for whoever offers it.
func TestAPlanThatIsTooSmallNamesTheNext(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	postgrestest.Exec(t, w.db, "update tenants set tier = 'free' where tenant_id = $1", tenant)
	_, token := w.member(tenant, tenants.Owner)
	for path, tc := range map[string]struct{ body, needed string }{
		"webhooks": {`{"url":"https://example.com/hook"}`, "creator"},
		"roles":    {`{"name":"x","title":"X","actions":["post.read"]}`, "agency"},
	} {
		code, _, body := w.call("POST", "/api/v1/"+path, as(tenant, token), tc.body)
		if got := decode(t, body); code != 402 || got["plan"] != "free" || got["needed_tier"] != tc.needed || !strings.Contains(fmt.Sprint(got["detail"]), tc.needed) {
			t.Errorf("%s: %d %s", path, code, body)
		}
	}
}

// Methods that an address does not take, and those that nobody knows.
func TestMethods(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	const post = "/api/v1/posts/post_01jd0000000000000000000000"
	for name, tc := range map[string]struct {
		method, path, allow, code string
		status                    int
	}{
		"a verb":            {"GET", post + ":publish", "POST", "route.method_not_allowed", 405},
		"a verb, otherwise": {"PUT", post + ":publish", "POST", "route.method_not_allowed", 405},
		"a verb on a list":  {"GET", "/api/v1/posts:batch", "POST", "route.method_not_allowed", 405},
		"no such verb":      {"GET", post + ":explode", "", "post.not_found", 404},
		"a thing":           {"PUT", post, "DELETE, GET, HEAD, PATCH", "route.method_not_allowed", 405},
		"a page":            {"POST", "/docs", "GET, HEAD", "route.method_not_allowed", 405},
		"unknown":           {"BREW", post, "", "request.unknown_method", 501},
		"unknown, nowhere":  {"get", "/nowhere", "", "request.unknown_method", 501},
	} {
		code, headers, body := w.call(tc.method, tc.path, as(tenant, token), "")
		if code != tc.status || headers.Get("Allow") != tc.allow || headers.Get("Content-Type") != "application/problem+json" || !strings.Contains(body, tc.code) || headers.Get("X-Content-Type-Options") == "" {
			t.Errorf("%s: %d %q %s %s", name, code, headers.Get("Allow"), headers.Get("Content-Type"), body)
		}
	}
}

// An instant is kept to the second, also where its wall time means another one.
func TestAnInstantInAnHourThatHappensTwice(t *testing.T) {
	w := newWorld(t, postgrestest.Open(t))
	tenant := postgrestest.Tenant(t, w.db)
	_, token := w.member(tenant, tenants.Editor)
	for instant, zone := range map[string]string{"2027-10-31T00:30:00Z": "Europe/Berlin", "2027-10-31T01:30:00Z": "UTC", "2027-10-31T02:30:00Z": "Europe/Berlin"} {
		_, _, body := w.call("POST", "/api/v1/posts", as(tenant, token), `{"segments":[{"text":"x"}],"schedule":{"publish_at":"`+instant+`","timezone":"Europe/Berlin"}}`)
		got, _ := decode(t, body)["schedule"].(map[string]any)
		if got["publish_at"] != instant || got["timezone"] != zone {
			t.Errorf("%s: %s", instant, body)
		}
	}
}
