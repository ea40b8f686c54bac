package pluginhost_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/pluginhost"
)

// What a check says before a start is why there is none.
func TestACheckBeforeTheStart(t *testing.T) {
	t.Parallel()
	var spoiled error
	h := host(t, "good", "test.good", func(_ *pluginhost.Config, s *pluginhost.Spec) {
		s.Check = func(context.Context) error { return spoiled }
	})
	spoiled = errors.New("main.py is not what it was")
	if _, err := h.Platform(t.Context(), "test.good"); err == nil || !strings.Contains(err.Error(), "not what it was") && !strings.Contains(h.Status()[0].LastError, "not what it was") {
		t.Errorf("it started: %v, %s", err, h.Status()[0].LastError)
	}
}

// A program that was damaged where it stands runs again once it was put right.
func TestADamagedProgramHeals(t *testing.T) {
	t.Parallel()
	self, _ := self(t)
	body := []byte("#!/bin/sh\nexec " + self + "\n")
	file, digest := program(t, body)
	sound := true
	h := host(t, "good", "test.good", func(c *pluginhost.Config, s *pluginhost.Spec) {
		c.Sandbox.ReadOnly = []string{self}
		s.Binary, s.Digest, s.Env = file, digest, []string{"FIXTURE=good"}
		s.Check = func(context.Context) error {
			if sound {
				return nil
			}
			sound = true
			return errors.Join(os.WriteFile(file+".new", body, 0o755), os.Rename(file+".new", file))
		}
	})
	p := open(t, h, "test.good")
	sound = false
	if err := os.WriteFile(file, []byte("#!/bin/sh\nexit 1\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(running(t, h), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "it runs again", func() bool { _, err := publish(p, "now", false); return err == nil })
	if s := h.Status()[0]; s.Crashes != 1 || s.Digest != digest {
		t.Errorf("status %+v", s)
	}
}

// A spec without an id runs whatever is there, to be asked what it is.
func TestWhateverItSaysItIs(t *testing.T) {
	t.Parallel()
	h := host(t, "good", "", func(*pluginhost.Config, *pluginhost.Spec) {})
	p, err := h.Platform(t.Context(), "")
	if err != nil || p.Manifest().ID != "test.good" {
		t.Errorf("%v", err)
	}
}
