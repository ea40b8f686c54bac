package main

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/vault"
)

func TestMasterKeysAreNumbered(t *testing.T) {
	a, b := encoded(1), encoded(2)
	for name, tc := range map[string]struct {
		now, old string
		numbers  int // 0: refused
	}{
		"one":                   {a, "", 1},
		"two":                   {"2:" + b, a, 2},
		"three":                 {"7:" + b, "5:" + a + ", 6:" + a + "\n", 3},
		"no number for the new": {b, a, 0},
		"the next is known":     {"2:" + b + " 3:" + a, "", 2},
		"old twice":             {"3:" + b, "1:" + a + " 1:" + a, 0},
		"no key":                {"2:" + b, "1:short", 0},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"CARILLON_MASTER_KEY": tc.now, "CARILLON_MASTER_KEYS_OLD": tc.old}
			c, err := loadConfig(func(name string) string { return env[name] })
			if (err == nil) != (tc.numbers > 0) || err == nil && len(c.Ring.Numbers()) != tc.numbers {
				t.Fatalf("%v, %v", c.Ring, err)
			}
			if err != nil && (strings.Contains(err.Error(), a) || strings.Contains(err.Error(), b)) {
				t.Errorf("the error repeats a key: %v", err)
			}
		})
	}
}

// After a rotation the new master key opens what the old one sealed, alone.
func TestSecretsRotate(t *testing.T) {
	in := install(t, func(*config) {})
	envelope := func(r *vault.Ring) *vault.Envelope { return vault.NewEnvelope(in.k.db.DataKeys(), r, time.Now) }
	ada, err := in.k.names.Find(t.Context(), agencyOwner.Email)
	must(t, err)
	sealed, err := envelope(in.k.vault).Seal(t.Context(), ada.Home, "place", []byte("secret"))
	must(t, err)

	t.Setenv("DATABASE_APP_URL", in.k.cfg.AppURL)
	t.Setenv("DATABASE_SYSTEM_URL", in.k.cfg.SystemURL)
	t.Setenv("CARILLON_MASTER_KEY", "2:"+encoded(9))
	if said, err := command(t, "secrets rotate"); err == nil {
		t.Errorf("without the old key: %s", said)
	}
	t.Setenv("CARILLON_MASTER_KEYS_OLD", in.masterText())
	for _, step := range []struct {
		line, want string
		refused    bool
	}{
		{"secrets retire master/1", "Rotate first", true},
		{"secrets retire master/2", "this is the current key", true},
		{"secrets retire master/9", "there is no key", true},
		{"secrets status", "master/1  opens and verifies", false},
		{"secrets rotate", " data keys were put under master/2", false},
		{"secrets rotate --data-keys", "0 data keys were put under master/2", false},
		{"secrets rotate --resume", "0 secrets were sealed", false},
		{"secrets retire", "15 minutes", true},
		{"secrets retire master/1", "master/1 is retired", false},
		{"secrets status", "master/1  retired", false},
	} {
		said, err := command(t, step.line)
		if (err != nil) != step.refused || !strings.Contains(said+fmt.Sprint(err), step.want) {
			t.Errorf("%s: %q, %v", step.line, said, err)
		}
	}
	if code, err := command(t, "audit verify"); err != nil {
		t.Errorf("%s, %v", code, err)
	}
	alone, err := vault.NewRing(2, map[int][]byte{2: master(9)})
	must(t, err)
	if plain, err := envelope(alone).Open(t.Context(), ada.Home, "place", sealed); err != nil || string(plain) != "secret" {
		t.Errorf("%q, %v", plain, err)
	}
}

func master(b byte) []byte { return []byte(strings.Repeat(string(rune(b)), vault.KeySize)) }

func encoded(b byte) string { return base64.StdEncoding.EncodeToString(master(b)) }
