package httpapi

import (
	"context"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Every example on the reference page is what its schema asks for: that of each
// request body is written down in the contract, that of each answer is made.
func TestExamplesAreSound(t *testing.T) {
	d, err := readContract(contractJSON)
	if err != nil {
		t.Fatal(err)
	}
	spec, err := openapi3.NewLoader().LoadFromData(contractJSON)
	if err != nil {
		t.Fatal(err)
	}
	if err := spec.Validate(context.Background()); err != nil {
		t.Fatal(err)
	}
	seen := 0
	for _, tag := range d.Tags {
		for _, op := range tag.Operations {
			seen++
			item := spec.Paths.Value(strings.TrimPrefix(op.Path, base)).GetOperation(op.Method)
			if kind, body := d.body(op); strings.HasSuffix(kind, "json") {
				s := item.RequestBody.Value.Content[kind].Schema
				if s.Value.Example == nil {
					t.Errorf("%s: its body has no example", op.ID)
				}
				holdsTo(t, op.ID, body, s, openapi3.VisitAsRequest())
			}
			if op.Answer != "" {
				holdsTo(t, op.ID+" "+op.Status, op.Answer, item.Responses.Value(op.Status).Value.Content["application/json"].Schema, openapi3.VisitAsResponse())
			}
			if !strings.HasPrefix(op.Curl, "curl ") || !strings.Contains(op.Curl, "$URL"+base) {
				t.Errorf("%s: %s", op.ID, op.Curl)
			}
		}
	}
	if seen < 50 {
		t.Errorf("only %d operations", seen)
	}
}

func holdsTo(t *testing.T, what, text string, s *openapi3.SchemaRef, as openapi3.SchemaValidationOption) {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	if err := s.Value.VisitJSON(v, as, openapi3.MultiErrors()); err != nil {
		t.Errorf("%s: %s\n%v", what, text, err)
	}
	known(t, what, v, s.Value)
}

// known refuses members that the schema does not name: the server does, too.
func known(t *testing.T, what string, v any, s *openapi3.Schema) {
	t.Helper()
	if list, ok := v.([]any); ok && s.Items != nil {
		for _, item := range list {
			known(t, what, item, s.Items.Value)
		}
	}
	members, ok := v.(map[string]any)
	if !ok || len(s.Properties) == 0 {
		return
	}
	for name, member := range members {
		p, ok := s.Properties[name]
		if !ok {
			t.Errorf("%s: there is no member %q", what, name)
			continue
		}
		known(t, what, member, p.Value)
	}
}

// The page asks nobody else for anything, and runs one script of ours.
func TestReferenceIsSelfContained(t *testing.T) {
	d, err := readContract(contractJSON)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := pages().ExecuteTemplate(&out, "reference", d); err != nil {
		t.Fatal(err)
	}
	if at := regexp.MustCompile(`<script>|<script src="[^"]*"[^>]*>[^<]|<img|<iframe|(src|href)="(https?:|//)|\son\w+="|style="`).FindString(out.String()); at != "" {
		t.Errorf("it has %s", at)
	}
	for _, want := range []string{"POST &#34;$URL/api/v1/posts/${post}:publish&#34;", "Idempotency-Key: $(uuidgen)", "--data-binary @photo.jpg", "application/merge-patch&#43;json"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("it lacks %s", want)
		}
	}
}
