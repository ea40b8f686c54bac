package imaging_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/imaging"
	"github.com/carillonhq/carillon/ports/fault"
)

// worker is this test binary as a child, well-behaved or not.
func worker(role string) int {
	if role != "clean" {
		_, _ = io.Copy(io.Discard, os.Stdin)
	}
	role, arg, _ := strings.Cut(role, "=")
	switch role {
	case "clean":
		return imaging.Child(os.Stdin, os.Stdout)
	case "hang": // with a grandchild that holds stdout, saying which group they are
		fmt.Fprintf(os.Stderr, "group %d.", syscall.Getpgrp())
		grandchild := exec.Command("/bin/sleep", "300")
		grandchild.Stdout = os.Stdout
		if err := grandchild.Start(); err != nil {
			panic(err)
		}
		_ = syscall.Kill(syscall.Getpid(), syscall.SIGSTOP)
		_ = grandchild.Wait() // the signal may take a moment
	case "spew":
		_, _ = io.Copy(os.Stdout, zeros{})
	case "lie":
		fmt.Print("<html>trust me</html>")
	case "panic":
		panic("a bug in a decoder")
	case "env":
		for _, v := range os.Environ() {
			if !strings.HasPrefix(v, "GO") {
				panic(v)
			}
		}
		return imagingOne()
	case "file": // the folder is ours to write to, the limit says no
		if err := os.WriteFile(arg, []byte("x"), 0o600); err != nil {
			return imagingOne()
		}
	}
	return 0
}

// imagingOne answers with a picture: all is well.
func imagingOne() int {
	_, _ = os.Stdout.WriteString("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")
	return 0
}

func TestWorkersThatMisbehave(t *testing.T) {
	for role, want := range map[string]string{
		"hang":  "media.too_complex",
		"spew":  "media.too_complex",
		"panic": "media.too_complex",
		"lie":   "media.worker_failed",
	} {
		t.Run(role, func(t *testing.T) {
			quick := func(l *imaging.Limits) {
				if role == "hang" {
					l.Timeout = 300 * time.Millisecond
				}
			}
			start := time.Now()
			_, err := processor(t, role, quick).Clean(t.Context(), bytes.NewReader(photo(t)))
			if f := fault.Of(err); f == nil || f.Reason != want {
				t.Errorf("err = %v, want %s", err, want)
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestNothingOfAHungWorkerIsLeft(t *testing.T) {
	_, err := processor(t, "hang", func(l *imaging.Limits) { l.Timeout = 300 * time.Millisecond }).Clean(t.Context(), bytes.NewReader(photo(t)))
	_, text, _ := strings.Cut(fmt.Sprint(err), "group ")
	group, _, ok := strings.Cut(text, ".")
	if !ok {
		t.Fatalf("the worker did not say its group: %v", err)
	}
	for deadline := time.Now().Add(5 * time.Second); alive(t, group); {
		if time.Now().After(deadline) {
			t.Fatalf("processes of group %s are left", group)
		}
	}
}

// alive reports whether a process group has a member that still runs.
func alive(t *testing.T, group string) bool {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil || len(stats) == 0 {
		t.Fatalf("this test reads /proc, and found %d processes: %v", len(stats), err)
	}
	for _, file := range stats {
		stat, err := os.ReadFile(file)
		if err != nil {
			continue // it ended
		}
		_, after, _ := strings.Cut(string(stat), ") ") // state, parent, group
		if f := strings.Fields(after); len(f) > 2 && f[2] == group && f[0] != "Z" {
			return true
		}
	}
	return false
}

func TestAWorkerHasNothing(t *testing.T) {
	t.Setenv("CARILLON_MASTER_KEY", "secret")
	clean(t, processor(t, "env", nil), photo(t))
	file := t.TempDir() + "/escape"
	clean(t, processor(t, "file="+file, nil), photo(t))
}

func TestNoMoreWorkersThanAllowed(t *testing.T) {
	p := processor(t, "hang", func(l *imaging.Limits) { l.Children, l.Wait = 1, 50*time.Millisecond })
	ctx, cancel := context.WithCancel(t.Context())
	results := make(chan error)
	for range 2 {
		go func() {
			_, err := p.Clean(ctx, bytes.NewReader(photo(t)))
			results <- err
		}()
	}
	if err := <-results; fault.Of(err).Reason != "media.busy" || !fault.Is(err, fault.Unavailable) {
		t.Errorf("the one too many: err = %v, want media.busy", err)
	}
	cancel()
	if err := <-results; !fault.Is(err, fault.Canceled) {
		t.Errorf("the other: err = %v, want %s", err, fault.Canceled)
	}
}

// A sender that stalls half-way must not hold up the others.
func TestASlowSenderTakesNoPlace(t *testing.T) {
	p := processor(t, "clean", func(l *imaging.Limits) { l.Children = 1 })
	r, w := io.Pipe()
	slow := make(chan error)
	go func() {
		_, err := p.Clean(t.Context(), r)
		slow <- err
	}()
	if _, err := w.Write(photo(t)[:1000]); err != nil {
		t.Fatal(err)
	}
	clean(t, p, photo(t))
	_ = w.CloseWithError(io.ErrUnexpectedEOF)
	if err := <-slow; err == nil {
		t.Error("half a photograph was accepted")
	}
}

func TestNoWorkerAtAll(t *testing.T) {
	p := imaging.New([]string{"/nonexistent"}, imaging.DefaultLimits())
	if _, err := p.Clean(t.Context(), bytes.NewReader(photo(t))); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v, want %s", err, fault.Unavailable)
	}
}
