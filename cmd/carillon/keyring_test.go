package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/adapters/kms/transittest"
	"github.com/carillonhq/carillon/adapters/vault"
)

// With Vault, what is configured opens nothing by itself: the master key is
// wrapped, and so are data keys, which move to Vault from where they were.
func TestKeysAreKeptByVault(t *testing.T) {
	v := transittest.New(t)
	env := map[string]string{
		"CARILLON_VAULT_ADDR": v.URL, "CARILLON_VAULT_TOKEN": "hvs.first", "CARILLON_VAULT_NAMESPACE": "team", "CARILLON_VAULT_NETWORKS": "127.0.0.0/8",
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	printed, err := command(t, "secrets new")
	must(t, err)
	wrapped := strings.TrimSpace(printed)
	if !strings.HasPrefix(wrapped, "1:vault:v1:") {
		t.Fatalf("it printed %q", wrapped)
	}
	load := func(with map[string]string) (config, error) {
		return loadConfig(func(name string) string {
			if value, ok := with[name]; ok {
				return value
			}
			return env[name]
		})
	}
	c, err := load(map[string]string{"CARILLON_MASTER_KEY": wrapped})
	must(t, err)
	plain, err := load(map[string]string{"CARILLON_MASTER_KEY": encoded(9)})
	must(t, err)
	file := filepath.Join(t.TempDir(), "master.key")
	must(t, os.WriteFile(file, []byte("# ours, since spring\n"+wrapped+" # now\n"), 0o600))
	commented, err := load(map[string]string{"CARILLON_MASTER_KEY_FILE": file})
	must(t, err)
	for name, cfg := range map[string]config{"wrapped": c, "plain": plain, "with comments": commented} {
		all, err := cfg.keeper().Keys(t.Context())
		if err != nil || all.Current != "transit/carillon/1" || cfg.Ring == nil || cfg.Ring.Current() != 1 {
			t.Errorf("%s: %+v, %v", name, all, err)
		}
	}
	under, err := vault.Single(master(9)).Wrap(t.Context(), []byte("a data key"), nil)
	must(t, err)
	if key, err := plain.keeper().Unwrap(t.Context(), under, nil); err != nil || string(key) != "a data key" {
		t.Errorf("what the master key wrapped before: %q, %v", key, err)
	}
	for name, with := range map[string]map[string]string{
		"a key that was moved":  {"CARILLON_MASTER_KEY": "2" + strings.TrimPrefix(wrapped, "1")},
		"no Vault":              {"CARILLON_MASTER_KEY": wrapped, "CARILLON_VAULT_ADDR": ""},
		"another token":         {"CARILLON_MASTER_KEY": wrapped, "CARILLON_VAULT_TOKEN": "hvs.other"},
		"no token":              {"CARILLON_MASTER_KEY": encoded(9), "CARILLON_VAULT_TOKEN": ""},
		"a network not allowed": {"CARILLON_MASTER_KEY": wrapped, "CARILLON_VAULT_NETWORKS": ""},
	} {
		if _, err := load(with); err == nil || strings.Contains(err.Error(), "hvs.") || strings.Contains(err.Error(), wrapped[2:]) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A file of master keys that others may read is refused; one that gets a further
// key is read again.
func TestKeysInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "master.key")
	must(t, os.WriteFile(path, []byte(encoded(9)+"\n"), 0o600))
	get := func(name string) string { return map[string]string{"CARILLON_MASTER_KEY_FILE": path}[name] }
	c, err := loadConfig(get)
	must(t, err)
	must(t, os.WriteFile(path, []byte("2:"+encoded(8)+" 1:"+encoded(9)+"\n"), 0o600))
	if all, err := c.keeper().Keys(t.Context()); err != nil || all.Current != "master/2" || c.Ring.Current() != 1 {
		t.Errorf("%+v, %v", all, err)
	}
	must(t, os.Chmod(path, 0o644))
	if _, err := loadConfig(get); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("err = %v", err)
	}
}
