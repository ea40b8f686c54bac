package declarative_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/declarative"
)

func forum(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile("testdata/forum.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Each bad file is the forum's with one thing replaced. Line and column are
// where its author has to look.
func TestBadFilesAreRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		old, new string
		at       string // "line:column: field", as text of the flaw, or a part of it
		says     string
		schema   bool // an editor sees it, too
	}{
		"no YAML":                  {"name: Forum\n", "name: [\n", "", "did not find", false},
		"an unknown field":         {"reply: true", "replies: true", "replies", "no such field", true},
		"an unknown field inside":  {"      every: 2s", "      evry: 2s", "publish.steps[1].evry", "no such field", true},
		"a field given twice":      {"reply: true", "reply: true\nreply: true", "reply", "twice", false},
		"no id":                    {"id: com.example.forum\n", "", ":2:1: id", "missing", false},
		"an id that is none":       {"id: com.example.forum", "id: forum", ":2:5: id", "reverse domain", false},
		"a version that is none":   {"version: 1.2.3", "version: one", ":4:10: version", "semantic", false},
		"a number for a word":      {"limit: 300", "limit: many", "quotas[0].limit", "whole number", true},
		"a negative limit":         {"limit: 300", "limit: -3", "quotas[0].limit", "whole number", true},
		"an unknown word":          {"kind: rate_limited", "kind: slow", "faults[0].kind", "not one of", true},
		"an unknown unit":          {"count: graphemes", "count: letters", "text.count", "not one of", true},
		"no time span":             {"window: 5m", "window: 5", "quotas[0].window", "time span", true},
		"no day":                   {"sunset: 2099-01-31", "sunset: soon", "sunset", "a day", true},
		"no status":                {"status: 429", "status: often", "faults[0].status", "no status", true},
		"a list for a mapping":     {"fields: {description: \"${attachment.alt}\", meta: {width: \"${attachment.width}\"}}", "fields: []", "multipart.fields", "mapping", true},
		"an anchor":                {"    text: {max: 100", "    text: &t {max: 100", "text", "anchors", false},
		"a wrong expression":       {"when: len(content.media) > 0", "when: len(content.media) >", "publish.steps[1].when", "unexpected token", false},
		"an unknown variable":      {"when: len(content.media) > 0", "when: len(contents.media) > 0", ":96:17: publish.steps[1].when", "unknown name", false},
		"an unknown field of it":   {"when: len(content.media) > 0", "when: len(content.medium) > 0", ":96:25: publish.steps[1].when", "no field", false},
		"a condition that is none": {"when: len(content.media) > 0", "when: content.text", "publish.steps[1].when", "bool", false},
		"types that do not fit":    {"when: len(content.media) > 0", "when: content.text > 0", "publish.steps[1].when", "invalid operation", false},
		"an answer before there is one": {"parent: ${content.reply_to?.id}", "parent: ${answer.id}",
			"publish.steps[2].request.json.parent", "answer is not known here", false},
		"content where there is none": {"id: ${item.id}\n    handle", "id: ${content.text}\n    handle", "accounts.account.id", "content is not known here", false},
		"an unknown function":         {"when: len(content.media) > 0", "when: exec(content.text) == 1", "publish.steps[1].when", "unknown name exec", false},
		"the clock":                   {"when: len(content.media) > 0", "when: now().Year() > 1", "publish.steps[1].when", "", false},
		"a range":                     {"when: len(content.media) > 0", "when: len(1..100000000) > 0", "publish.steps[1].when", "no ranges", false},
		"a loop within a loop":        {"when: len(content.media) > 0", "when: any(content.media, any(content.media, true))", "publish.steps[1].when", "no loop", false},
		"a variable":                  {"when: len(content.media) > 0", "when: let a = content.text; (a + a) == a", "publish.steps[1].when", "no variables", false},
		"a pattern made up on the way": {"when: len(content.media) > 0", "when: content.text matches content.format",
			"publish.steps[1].when", "written out", false},
		"a pattern that is none": {"when: len(content.media) > 0", "when: content.text matches \"(\"", "publish.steps[1].when", "", false},
		"a secret nobody has":    {"Bearer ${credential.secrets.key}", "Bearer ${credential.secrets.token}", "headers.Authorization", "has no token; it has key", false},
		"a state nobody saves":   {"files: ${state?.files}", "files: ${state.uploads}", "json.files", "has no uploads; it has files", false},
		"an open brace":          {"text: ${content.text}", "text: ${content.text", "json.text", "without its }", false},
		"an empty expression":    {"text: ${content.text}", "text: ${ }", "json.text", "empty", false},
		"a host from a value":    {"https://{instance}/api/me", "https://${credential.public.instance}/api/me", "accounts.steps[0].request.url", "written out", false},
		"a host not allowed":     {"https://{instance}/api/me", "https://evil.example/api/me", "accounts.steps[0].request.url", "not among the hosts", false},
		"a URL without TLS":      {"https://{instance}/api/me", "http://{instance}/api/me", "accounts.steps[0].request.url", "https", false},
		"a query in the URL":     {"https://{instance}/api/me", "https://{instance}/api/me?x=1", "accounts.steps[0].request.url", "query", false},
		"a host of one's own":    {"egress: [\"{instance}\"]", "egress: [\"*\", \"{instance}\"]", "egress", "not a host", false},
		"a header of the wire":   {"  Authorization: Bearer", "  Content-Length: Bearer", "headers", "no header to set", false},
		"no commit":              {"      commit: true\n", "", "publish", "exactly one step is the commit, not 0", false},
		"two commits":            {"      label: uploading\n      each: media", "      commit: true", "publish", "exactly one step is the commit, not 2", false},
		"a limit without a unit": {", count: graphemes", "", "formats[0].text", "the unit", false},
		"a commit that reads":    {"        method: POST\n        url: https://{instance}/api/boards", "        method: GET\n        url: https://{instance}/api/boards", "publish.steps[2].request.url", "no GET", false},
		"a commit with a when":   {"      commit: true", "      commit: true\n      when: content.text != \"\"", "publish.steps[2]", "a commit has no when", false},
		"secrets in the state":   {"save: {files: \"${answer.id}\"}", "save: {files: \"${credential.secrets.key}\"}", "save.files", "no secrets", false},
		"two bodies":             {"        json:\n          text", "        form: {a: b}\n        json:\n          text", "publish.steps[2].request.url", "one body", false},
		"no request":             {"      request:\n        method: GET\n        url: https://{instance}/api/me\n", "", ":66:7: accounts.steps[0]", "request or requests", false},
		"steps of one name":      {"- name: wait", "- name: upload", "publish.steps[1].name", "two steps", false},
		"find without a find":    {"find:\n", "found:\n", "found", "no such field", true},
		"a form without fields":  {"  form:\n    type: object\n    required: [instance, key]\n    properties:\n      instance: {type: string, title: Server}\n      key: {type: string, format: password, title: Key, pattern: \"^[a-z0-9-]{8,}$\"}\n", "  form: {type: object}\n", "auth.form", "properties", false},
		"OAuth 2 without it":     {"  kind: form\n", "  kind: oauth2\n", "auth", "endpoints", false},
		"a rule for everything":  {"  - status: 429\n    kind", "  - kind", "faults[0]", "status or a when", false},
		"waiting for good":       {"    kind: auth_revoked\n", "    kind: auth_revoked\n    retry_after: \"5\"\n", "faults[1]", "only rate_limited", false},
		"a loop without a body":  {"tags: [a, \"${content.format}\"]", "tags: {$each: content.media}", "json.tags", "$each and $do", false},
		"an attachment of no step": {"        json:\n          text: ${content.text}\n", "        body: attachment\n        headers: {X: y}\n        query:\n          text: ${content.text}\n",
			"publish.steps[2].request.url", "each: media", false},
	} {
		t.Run(name, func(t *testing.T) {
			good := forum(t)
			bad := strings.Replace(good, tc.old, tc.new, 1)
			if bad == good {
				t.Fatalf("%q is not in the file", tc.old)
			}
			_, err := declarative.Load("forum.yaml", []byte(bad), declarative.Options{})
			if err == nil {
				t.Fatal("it was loaded")
			}
			var flaw *declarative.Flaw
			if !errors.As(err, &flaw) || flaw.Line < 1 || flaw.Column < 1 {
				t.Fatalf("no place in %v", err)
			}
			if !strings.Contains(err.Error(), tc.at) || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("said %v\nwant %q and %q", err, tc.at, tc.says)
			}
			if tc.schema && compiled(t).Validate(asEditor(t, []byte(bad))) == nil {
				t.Error("the schema takes it")
			}
		})
	}
}

func TestEveryFlawIsSaid(t *testing.T) {
	bad := strings.NewReplacer("reply: true", "replies: true", "limit: 300", "limit: many").Replace(forum(t))
	_, err := declarative.Load("forum.yaml", []byte(bad), declarative.Options{})
	if err == nil || strings.Count(err.Error(), "forum.yaml:") != 2 {
		t.Errorf("said %v", err)
	}
}

// FuzzLoad: whatever a file holds, it is loaded or refused with a place, and
// loading comes to an end.
func FuzzLoad(f *testing.F) {
	f.Add([]byte(forum(f)))
	for _, file := range []string{"../telegram/plugin.yaml", "../discord/plugin.yaml"} {
		raw, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Add([]byte("id: &a [*a]"))
	f.Add([]byte("a: ${{{\"}}"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := declarative.Load("f", raw, declarative.Options{})
		var flaw *declarative.Flaw
		switch {
		case err == nil && p == nil:
			t.Error("neither a plugin nor an error")
		case err != nil && !errors.As(err, &flaw):
			t.Errorf("no place in %v", err)
		}
	})
}
