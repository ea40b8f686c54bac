package httpapi_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

var parameter = regexp.MustCompile(`\{[^}]+\}`)

// Where the contract says that what was made is, it has something to fetch:
// every 201 names such a path, or says that there is none.
func TestWhatIsMadeCanBeFetched(t *testing.T) {
	doc, err := openapi3.NewLoader().LoadFromFile("openapi.json") // as it is served
	must(t, err)
	gets := map[string]bool{}
	for path, item := range doc.Paths.Map() {
		gets[parameter.ReplaceAllString(path, "{}")] = item.Get != nil
	}
	for path, item := range doc.Paths.Map() {
		for _, op := range item.Operations() {
			made := op.Responses.Status(201)
			at, told := op.Extensions["x-location"].(string)
			if !told {
				at = path + "/{id}"
			}
			switch {
			case made == nil && told:
				t.Errorf("%s makes nothing that could be at %s", op.OperationID, at)
			case made == nil:
			case (at == "none") == (made.Value.Headers["Location"] != nil):
				t.Errorf("%s: x-location is %q, and the headers of its answer are otherwise", op.OperationID, at)
			case at != "none" && !gets[parameter.ReplaceAllString(at, "{}")]:
				t.Errorf("%s: nothing can be fetched at %s", op.OperationID, at)
			}
		}
	}
}

// fetched follows the Location of what r made.
func (w *world) fetched(r route, at string, headers map[string]string) {
	w.t.Helper()
	if r.op.Extensions["x-location"] == "none" {
		if at != "" {
			w.t.Errorf("what cannot be fetched is at %q", at)
		}
		return
	}
	if !strings.HasPrefix(at, "/api/v1/") {
		w.t.Errorf("what was made is at %q", at)
	} else if code, _, body := w.call("GET", at, headers, ""); code != 200 && r.op.Extensions["x-public"] == nil && r.op.OperationID != "createStreamTicket" {
		w.t.Errorf("GET %s: %d %s", at, code, body)
	}
}
