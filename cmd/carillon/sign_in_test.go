package main

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"strings"
	"testing"
)

// A person signs in with the practice network, as the pages have them do it.
func TestSignInWithThePracticeNetwork(t *testing.T) {
	in := install(t, func(*config) {})
	jar, _ := cookiejar.New(nil)
	browser := &http.Client{Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	post := func(path string, body any) (got struct {
		URL    string `json:"authorization_url"`
		Access string `json:"access_token"`
		Detail string
	}) {
		t.Helper()
		raw, err := json.Marshal(body)
		must(t, err)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, in.k.cfg.URL+"/api/v1"+path, strings.NewReader(string(raw)))
		must(t, err)
		if body != nil {
			req.Header.Set("Content-Type", "application/json")
		} else {
			req.Body, req.ContentLength = nil, 0
		}
		req.Header.Set("Sec-Fetch-Site", "same-origin")
		res, err := browser.Do(req)
		must(t, err)
		defer func() { _ = res.Body.Close() }()
		must(t, json.NewDecoder(res.Body).Decode(&got))
		return got
	}
	if _, body := in.send(http.MethodGet, in.k.cfg.URL+"/api/v1/auth/providers", nil, ""); !strings.Contains(body, `"practice"`) {
		t.Errorf("nobody signs in with it: %s", body)
	}
	asked, err := url.Parse(post("/auth/providers/practice:start", nil).URL)
	must(t, err)
	form := asked.Query()
	form.Set("account", "wanderer")
	res, err := browser.PostForm(in.d.cfg.PigeonURL+"/oauth/authorize", form)
	must(t, err)
	must(t, res.Body.Close())
	to, err := res.Location()
	must(t, err)
	if !strings.HasPrefix(to.String(), in.k.cfg.URL+"/sign-in/practice?") {
		t.Fatalf("sent to %s", to)
	}
	q := to.Query()
	answer := post("/auth/providers/practice:finish", map[string]string{"state": q.Get("state"), "code": q.Get("code"), "iss": q.Get("iss")})
	_, me := in.send(http.MethodGet, in.k.cfg.URL+"/api/v1/me", map[string]string{"Authorization": "Bearer " + answer.Access}, "")
	if !strings.Contains(me, `"wanderer@pigeon.example"`) || !strings.Contains(me, `"home_tenant_id":"ten_`) {
		t.Errorf("signed in as %s (%s)", me, answer.Detail)
	}
}
