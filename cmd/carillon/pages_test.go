package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The operator's address says what there is.
func TestOperatorsAddressHasAnIndex(t *testing.T) {
	pages := operatorPages(http.NotFoundHandler(), func(context.Context) error { return nil })
	for path, want := range map[string]int{"/": 200, "/livez": 200, "/readyz": 200, "/nothing": 404} {
		rec := httptest.NewRecorder()
		pages.ServeHTTP(rec, httptest.NewRequest(http.MethodGet, path, nil))
		if rec.Code != want {
			t.Errorf("%s: %d, want %d", path, rec.Code, want)
		}
		if body := rec.Body.String(); path == "/" && (!strings.Contains(body, `href="/metrics"`) || !strings.Contains(body, `href="/readyz"`)) {
			t.Error(body)
		}
	}
}

// A demonstration leaves the machine as it was, also what it did not make.
func TestADemonstrationLeavesNothing(t *testing.T) {
	for name, there := range map[string]bool{"nothing was there": false, "an empty folder was there": true} {
		state := filepath.Join(t.TempDir(), "state")
		if there {
			if err := os.Mkdir(state, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		t.Setenv("CARILLON_STATE_DIR", state)
		dir, remove, err := demoDir()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(dir); err != nil {
			t.Error(err)
		}
		remove()
		if _, err := os.Stat(filepath.Join(state, "demo")); err == nil {
			t.Errorf("%s: a folder stays", name)
		}
		if _, err := os.Stat(state); (err == nil) != there {
			t.Errorf("%s: afterwards %v", name, err)
		}
	}
}
