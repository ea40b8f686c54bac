package main

import (
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/conformance"
)

func TestOnlyHasToMeetSomething(t *testing.T) {
	r := conformance.Report{Level: 4, Results: []conformance.Result{{ID: "L1.publish.post"}, {ID: "L2.post.500"}}}
	for only, ok := range map[string]bool{"": true, "L2": true, "L1.publish,L2.post": true, "L2.nothing": false, "L1,L3": false} {
		var list []string
		if only != "" {
			list = strings.Split(only, ",")
		}
		if err := missed(r, list); (err == nil) != ok {
			t.Errorf("%q: %v", only, err)
		}
	}
}

func TestOnlyNeedsItsLevel(t *testing.T) {
	for only, want := range map[string]string{"L4.turns": "", "L5": "L5 needs --level L5", "L5.load": "L5 needs --level L5"} {
		if err := reachable([]string{only}, 4); want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %v, want %q", only, err, want)
		}
	}
	if err := reachable([]string{"L5.load"}, 5); err != nil {
		t.Error(err)
	}
}
