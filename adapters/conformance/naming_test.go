package conformance_test

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/conformance"
	"github.com/carillonhq/carillon/adapters/rehearsal"
)

// A platform that names the object which is there already is played with that
// object's name: this plugin gives up where the answer names none.
func TestADuplicateIsNamed(t *testing.T) {
	t.Parallel()
	for body, noticed := range map[string]bool{`{"error":"duplicate","of":"{id}"}`: false, `{"error":"duplicate","of":"somewhere"}`: true} {
		opt := pigeonOptions(t, false)
		opt.Program.Name = "wants the duplicate's name"
		opt.Settings.Answers["duplicate"] = rehearsal.Answer{Body: body}
		report, err := conformance.Run(t.Context(), conformance.Options{Options: opt, Level: 2, Only: []string{"L2.post-text.post-api-v1-posts.duplicate"}, Pause: pause})
		if err != nil {
			t.Fatal(err)
		}
		found := false
		for _, r := range report.Failed() {
			found = found || strings.HasSuffix(r.ID, ".duplicate")
		}
		if found != noticed {
			t.Errorf("%s: failed %t, want %t\n%s", body, found, noticed, summary(report))
		}
	}
}
