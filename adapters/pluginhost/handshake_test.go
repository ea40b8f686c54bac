package pluginhost

import (
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const socketHome = "/run/carillon/h1/plugin-dir1"

func TestCheckHandshake(t *testing.T) {
	cert := strings.Repeat("A", 400)
	good := "1|1|unix|" + socketHome + "/s|grpc|" + cert
	for name, tt := range map[string]struct {
		line string
		ok   bool
	}{
		"good":                    {good, true},
		"carriage return":         {good + "\r", true},
		"seventh field":           {good + "|true", true},
		"seventh field, nonsense": {good + "|maybe", false},
		"eight fields":            {good + "|true|x", false},
		"plain":                   {"1|1|unix|" + socketHome + "/s|grpc", false},
		"no certificate":          {"1|1|unix|" + socketHome + "/s|grpc|", false},
		"certificate not base64":  {"1|1|unix|" + socketHome + "/s|grpc|!!!!", false},
		"core":                    {strings.Replace(good, "1|", "2|", 1), false},
		"protocol":                {strings.Replace(good, "|1|", "|2|", 1), false},
		"tcp":                     {strings.Replace(good, "unix", "tcp", 1), false},
		"relative":                {strings.Replace(good, socketHome, ".", 1), false},
		"parent":                  {strings.Replace(good, "/s|", "/../s|", 1), false},
		"child":                   {strings.Replace(good, "/s|", "/d/s|", 1), false},
		"the directory itself":    {strings.Replace(good, "/s|", "|", 1), false},
		"abstract":                {strings.Replace(good, socketHome+"/s", "@s", 1), false},
		"empty":                   {"", false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := checkHandshake(tt.line, false, socketHome); (err == nil) != tt.ok {
				t.Errorf("%v", err)
			}
		})
	}
	if checkHandshake(good, true, socketHome) == nil {
		t.Error("a line that was cut passed")
	}
}

// FuzzHandshake: whatever passes names a socket right inside the directory.
func FuzzHandshake(f *testing.F) {
	f.Add("1|1|unix|" + socketHome + "/s|grpc|" + strings.Repeat("A", 400))
	f.Add("1|1|unix|" + socketHome + "/../s|grpc|")
	f.Add("1|1|tcp|127.0.0.1:1|grpc")
	f.Fuzz(func(t *testing.T, line string) {
		if checkHandshake(line, false, socketHome) != nil {
			return
		}
		parts := strings.Split(line, "|")
		if parts[2] != "unix" || parts[4] != "grpc" || filepath.Dir(filepath.Clean(parts[3])) != socketHome {
			t.Errorf("passed: %q", line)
		}
	})
}

func TestRedact(t *testing.T) {
	s := newSecrets()
	s.lend("tok-0123456789", "pass-word-1234", "ab")
	for text, want := range map[string]string{
		"got tok-0123456789!":                 "got ***!",
		"app pass-word-1234":                  "app ***",
		"about":                               "about",
		"Authorization: Bearer abcdefgh.ij-k": "Authorization: *** ***",
		`{"accessJwt":"abc.def","a":1}`:       `{"accessJwt":"***","a":1}`,
		"access_token=abc&x=1":                "access_token=***&x=1",
		"password: hunter2":                   "password: ***",
		"the bearer of news":                  "the bearer of news",
	} {
		if got := s.redact(text); got != want {
			t.Errorf("%q became %q, want %q", text, got, want)
		}
	}
	for i := range 2 * maxSecrets {
		s.lend(strings.Repeat("x", minSecret+i))()
	}
	if len(s.recent) != maxSecrets {
		t.Errorf("remembers %d secrets", len(s.recent))
	}
}

func TestBackoffGrows(t *testing.T) {
	for n := 1; n < maxCrashes; n++ {
		full := firstBackoff << (n - 1)
		for range 100 {
			if d := backoff(n); d < full/2 || d > full {
				t.Fatalf("after %d crashes: %s", n, d)
			}
		}
	}
}

func TestOldCrashesAreForgiven(t *testing.T) {
	long := time.Now().Add(-2 * crashWindow)
	h := &Host{cfg: withDefaults(Config{Log: slog.New(slog.DiscardHandler)}), life: t.Context()}
	s := newEntry(h, Spec{}, &executable{}).current
	s.crashes = []time.Time{long, long, long, long}
	s.crashed(errStopped)
	if len(s.crashes) != 1 || time.Until(s.notBefore) > time.Second {
		t.Errorf("%d crashes, next start in %s", len(s.crashes), time.Until(s.notBefore))
	}
	s.alarm.Stop()
}

func TestOutputAllowance(t *testing.T) {
	w := &logWriter{}
	now := time.Unix(1, 0)
	passed := 0
	for range 3 * linesPerSecond {
		if _, ok := w.allow(now); ok {
			passed++
		}
	}
	dropped, ok := w.allow(now.Add(time.Second))
	if passed != linesPerSecond || !ok || dropped != 2*linesPerSecond {
		t.Errorf("%d passed, then %d were told dropped, %t", passed, dropped, ok)
	}
}
