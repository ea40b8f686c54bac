package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestStrikes(t *testing.T) {
	for name, tt := range map[string]struct {
		fate fate
		want []string // in order
	}{
		"lost":  {lost, []string{"kill", "write"}},
		"done":  {done, []string{"write", "kill", "write"}},
		"late":  {late, []string{"kill", "write", "write"}},
		"stale": {stale, []string{"kill", "write", "write"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log journal
			f := frontOf(t, &log)
			f.plan, f.revive = map[int]fate{1: tt.fate}, func() error { log.add("kill"); return nil }
			if err := put(t, f, "3kaaaaaaaaaaa"); err == nil {
				t.Error("the sender was answered, want it cut off")
			}
			if err := put(t, f, "3kaaaaaaaaaaa"); err != nil {
				t.Errorf("the repetition: %v", err)
			}
			writes, err := f.result()
			if want := strings.Count(strings.Join(tt.want, " "), "write"); writes != want || err != nil {
				t.Errorf("result() = %d, %v, want %d", writes, err, want)
			}
			if diff := cmp.Diff(tt.want, log.lines); diff != "" {
				t.Error(diff)
			}
			if diff := cmp.Diff([]kill{{At: "post 1", Fate: tt.fate}}, f.deaths()); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStrikesTellRepetitionsFromNewPosts(t *testing.T) {
	var log journal
	f := frontOf(t, &log)
	f.plan, f.revive = map[int]fate{2: lost}, func() error { log.add("kill"); return nil }
	for _, key := range []string{"first", "first"} {
		if err := put(t, f, key); err != nil {
			t.Errorf("%s: %v, want it passed on", key, err)
		}
	}
	if err := put(t, f, "second"); err == nil {
		t.Error("second: passed on, want it lost")
	}
	if writes, err := f.result(); writes != 2 || err != nil {
		t.Errorf("result() = %d, %v, want 2 writes", writes, err)
	}
}

func TestFrontReports(t *testing.T) {
	var log journal
	f := frontOf(t, &log)
	gone := errors.New("no next worker")
	f.plan, f.revive = map[int]fate{1: lost, 4: done}, func() error { return gone }
	_ = put(t, f, "first")
	if _, err := f.result(); !errors.Is(err, gone) || !strings.Contains(err.Error(), "1 planned kills never came") {
		t.Errorf("result() = %v, want both", err)
	}
}

func TestArm(t *testing.T) {
	var again front
	for seed := range uint64(20) {
		var f front
		f.arm(seed, 3, 5, nil)
		again.arm(seed, 3, 5, nil)
		if diff := cmp.Diff(again.plan, f.plan); diff != "" {
			t.Errorf("seed %d is not repeatable: %s", seed, diff)
		}
		fates := map[fate]bool{}
		for at, what := range f.plan {
			fates[what] = true
			if at < 0 || at >= 5 {
				t.Errorf("seed %d strikes at %d", seed, at)
			}
		}
		if len(f.plan) != 3 || len(fates) != 3 {
			t.Errorf("seed %d plans %v, want three strikes of three kinds", seed, f.plan)
		}
	}
}

// journal is what happened, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// frontOf is a front before a server that writes down each write.
func frontOf(t *testing.T, log *journal) *front {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { log.add("write") }))
	t.Cleanup(server.Close)
	f, err := listenFront(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(f.close)
	f.pass(server.URL)
	return f
}

func put(t *testing.T, f *front, key string) error {
	t.Helper()
	res, err := web.Post(f.origin+"/xrpc/com.atproto.repo.putRecord", "application/json", strings.NewReader(`{"rkey":"`+key+`"}`))
	if err == nil {
		_ = res.Body.Close()
	}
	return err
}
