package httpapi_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// What a filter cannot be is refused: an empty list would say that there is
// nothing.
func TestAFilterThatIsNoneIsRefused(t *testing.T) {
	w, _, headers := newcomer(t)
	for path, pointer := range map[string]string{
		"/api/v1/posts?channel=nope": "/query/channel", "/api/v1/posts?channel=" + id.New("post"): "/query/channel", "/api/v1/posts?channel=": "/query/channel",
		"/api/v1/posts?state=live": "/query/state", "/api/v1/events?type=nope": "/query/type", "/api/v1/events?type=nope.happened": "/query/type",
		"/api/v1/audit?actor=nope": "/query/actor", "/api/v1/audit?actor=" + id.New("post"): "/query/actor", "/api/v1/audit?action=nope": "/query/action",
		"/api/v1/audit?action=post.*.x": "/query/action", "/api/v1/audit?subject=a%0Ab": "/query/subject", "/api/v1/audit?color=red": "/query/color",
		"/api/v1/audit:export?actor=x": "/query/actor", "/api/v1/posts?include=nope": "/query/include",
	} {
		code, _, answer := w.call("GET", path, headers, "")
		if code != http.StatusBadRequest || !strings.Contains(answer, fmt.Sprintf(`"pointer":%q`, pointer)) {
			t.Errorf("%s: %d %s", path, code, answer)
		}
	}
	for _, path := range []string{
		"/api/v1/posts?channel=" + id.New("chn"), "/api/v1/events?type=post.*", "/api/v1/audit?actor=system&action=post.*", "/api/v1/audit?action=post.create&subject=" + id.New("post"),
	} {
		if code, _, answer := w.call("GET", path, headers, ""); code != http.StatusOK {
			t.Errorf("%s: %d %s", path, code, answer)
		}
	}
}

// Nothing in a form is lost without a word, and of what is refused nothing is
// kept.
func TestAFormIsReadWhole(t *testing.T) {
	w, _, headers := newcomer(t)
	part := func(name, more, content string) string {
		return "--b\r\nContent-Disposition: form-data; name=\"" + name + "\"" + more + "\r\n\r\n" + content + "\r\n"
	}
	file := part("file", "; filename=\"a.png\"\r\nContent-Type: image/png", "a picture of sixteen bytes and more")
	for name, tc := range map[string]struct{ body, pointer, alt string }{
		"alt before":   {part("alt", "", "A bell\nin a tower") + file, "", "A bell\\nin a tower"},
		"alt after":    {file + part("alt", "", "A bell"), "/alt", ""},
		"two files":    {file + file, "/file", ""},
		"alt twice":    {part("alt", "", "a") + part("alt", "", "b") + file, "/alt", ""},
		"unknown":      {part("colour", "", "red") + file, "/colour", ""},
		"unknown last": {file + part("colour", "", "red"), "/colour", ""},
		"no file":      {part("alt", "", "a"), "/file", ""},
		"a bell":       {part("alt", "", "\a") + file, "/alt", ""},
	} {
		code, _, answer := w.call("POST", "/api/v1/media", with(headers, "Content-Type", "multipart/form-data; boundary=b"), tc.body+"--b--\r\n")
		switch {
		case tc.pointer == "" && (code != http.StatusCreated || !strings.Contains(answer, `"alt":"`+tc.alt+`"`)):
			t.Errorf("%s: %d %s", name, code, answer)
		case tc.pointer != "" && (code != http.StatusUnprocessableEntity || !strings.Contains(answer, fmt.Sprintf(`"pointer":%q`, tc.pointer))):
			t.Errorf("%s: %d %s", name, code, answer)
		}
	}
	if _, _, list := w.call("GET", "/api/v1/media", headers, ""); strings.Count(list, `"id":`) != 1 {
		t.Errorf("more than the one is kept: %s", list)
	}
}

// A patch that changes nothing makes no version and tells nobody.
func TestAPatchOfNothing(t *testing.T) {
	w, tenant, headers := newcomer(t)
	_, _, body := w.call("POST", "/api/v1/webhooks", headers, `{"url":"https://example.com/hook"}`)
	hook := fmt.Sprint(decode(t, body)["webhook"].(map[string]any)["id"])
	_, _, body = w.call("POST", "/api/v1/media", with(headers, "Content-Type", "image/png"), "a picture")
	for _, at := range []string{
		"/api/v1/tenants/" + string(tenant), "/api/v1/channels/" + w.channel(tenant), "/api/v1/webhooks/" + hook,
		"/api/v1/media/" + fmt.Sprint(decode(t, body)["id"]), w.compose(headers, w.channel(tenant), ""),
	} {
		_, before, was := w.call("GET", at, headers, "")
		_, _, heard := w.call("GET", "/api/v1/events?limit=100", headers, "")
		code, after, is := w.call("PATCH", at, with(headers, "If-Match", before.Get("ETag")), `{}`)
		if code != http.StatusOK || after.Get("ETag") != before.Get("ETag") || decode(t, is)["version"] != decode(t, was)["version"] {
			t.Errorf("%s: %d %s, was %s: %s", at, code, after.Get("ETag"), before.Get("ETag"), is)
		}
		if _, _, now := w.call("GET", "/api/v1/events?limit=100", headers, ""); now != heard {
			t.Errorf("%s: subscribers heard of it", at)
		}
		if code, _, answer := w.call("PATCH", at, with(headers, "If-Match", `"v77"`), `{}`); code != http.StatusPreconditionFailed {
			t.Errorf("%s, stale: %d %s", at, code, answer)
		}
	}
}

// Only who is a member of this very tenant is known by their address.
func TestWhoIsAMemberIsNotInvited(t *testing.T) {
	w, tenant, headers := newcomer(t)
	colleague, _ := w.member(tenant, tenants.Viewer)
	stranger, _ := w.member(postgrestest.Tenant(t, w.db), tenants.Viewer)
	for name, tc := range map[string]struct {
		email string
		code  int
	}{
		"a member": {w.email(colleague), 409}, "in capitals": {strings.ToUpper(w.email(colleague)), 409}, "somebody with an account": {w.email(stranger), 201}, "nobody": {"nobody-at-all@example.com", 201},
	} {
		code, _, answer := w.call("POST", "/api/v1/invitations", headers, fmt.Sprintf(`{"email":%q,"role":"viewer"}`, tc.email))
		if code != tc.code || code == 409 && !strings.Contains(answer, `"code":"member.exists"`) {
			t.Errorf("%s: %d %s", name, code, answer)
		}
	}
}

// HEAD is GET without the body, wherever there is a GET.
func TestHead(t *testing.T) {
	w, tenant, headers := newcomer(t)
	post := w.compose(headers, w.channel(tenant), "")
	for path, want := range map[string]int{post: 200, "/api/v1/posts": 200, "/api/v1/posts/" + id.New("post"): 404, "/api/v1/auth/login": 405} {
		code, h, body := w.call("HEAD", path, headers, "")
		_, get, _ := w.call("GET", path, headers, "")
		if code != want || body != "" || h.Get("ETag") != get.Get("ETag") || h.Get("Content-Type") != get.Get("Content-Type") {
			t.Errorf("%s: %d %q %s", path, code, h.Get("ETag"), body)
		}
	}
	if code, _, _ := w.call("HEAD", post, with(headers, "Authorization", "Bearer x"), ""); code != http.StatusUnauthorized {
		t.Errorf("without a credential: %d", code)
	}
}

// "*" is any version that there is (RFC 9110, 13.1.1), and none of nothing.
func TestAnyVersion(t *testing.T) {
	w, tenant, headers := newcomer(t)
	post := w.compose(headers, w.channel(tenant), "")
	any := with(headers, "If-Match", "*")
	for _, step := range []struct {
		method, path, body string
		code               int
	}{
		{"PATCH", post, `{"segments":[{"text":"y"}]}`, 200}, {"DELETE", post, "", 204}, {"DELETE", post, "", 404},
	} {
		if code, _, answer := w.call(step.method, step.path, any, step.body); code != step.code {
			t.Errorf("%s: %d %s", step.method, code, answer)
		}
	}
}

// A name is one line that can be read, whatever it is the name of.
func TestNamesCanBeRead(t *testing.T) {
	w, tenant, headers := newcomer(t)
	agency := postgrestest.Child(t, w.db, postgrestest.Operator, tenants.Agency)
	_, token := w.member(agency, tenants.Owner)
	above := map[string]string{"Authorization": "Bearer " + token, "Carillon-Tenant": string(agency)}
	for _, tc := range []struct {
		method, path, body, pointer string
		headers                     map[string]string
	}{
		{"PATCH", "/api/v1/channels/" + w.channel(tenant), `{"name":"a\u0007b"}`, "/name", headers},
		{"PATCH", "/api/v1/tenants/" + string(tenant), `{"name":"a\nb"}`, "/name", headers},
		{"POST", "/api/v1/tenants/" + string(agency) + "/children", `{"kind":"workspace","name":"a\u001bb"}`, "/name", above},
		{"POST", "/api/v1/api-keys", `{"name":"a\tb","scopes":["post.read"]}`, "/name", headers},
		{"POST", "/api/v1/posts", `{"segments":[{"text":"x","media":[{"id":"` + id.New("med") + `","alt":"\u0000"}]}]}`, "/segments/0/media/0/alt", headers},
		{"POST", "/api/v1/webhooks", `{"url":"https://example.com/x","description":"a\u0001"}`, "/description", headers},
	} {
		if code, _, answer := w.call(tc.method, tc.path, tc.headers, tc.body); code != 422 || !strings.Contains(answer, fmt.Sprintf(`"pointer":%q`, tc.pointer)) {
			t.Errorf("%s: %d %s", tc.path, code, answer)
		}
	}
	if code, _, answer := w.call("POST", "/api/v1/posts", headers, `{"segments":[{"text":"two\nlines\tand a tab"}]}`); code != 201 {
		t.Errorf("%d %s", code, answer)
	}
}

// A title is the same for every occurrence, and so has nothing left out of it.
func TestATitleIsWhole(t *testing.T) {
	w, _, headers := newcomer(t)
	code, _, answer := w.call("POST", "/api/v1/posts", headers, `"`+strings.Repeat("a", 1<<20)+`"`)
	if title := fmt.Sprint(decode(t, answer)["title"]); code != http.StatusRequestEntityTooLarge || strings.Contains(title, "…") {
		t.Errorf("%d %s", code, answer)
	}
}
