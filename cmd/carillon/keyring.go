package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/egress"
	kmskeep "github.com/carillonhq/carillon/adapters/kms"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/ports/secret"
)

// keys reads the master keys, and who keeps the keys that wrap data keys: Vault,
// if CARILLON_VAULT_ADDR says where; else the file of master keys, which counts
// as it is at the moment; else the master keys themselves.
func (e *env) keys(c *config) {
	const name, older = "CARILLON_MASTER_KEY", "CARILLON_MASTER_KEYS_OLD"
	c.transit = e.vault()
	wrapped := false
	for _, v := range []string{name, older} {
		text := e.secret(v)
		if strings.Contains(text, ":vault:v") {
			wrapped = true
			text = e.unwrapped(v, text, c.transit)
		}
		if text != "" {
			c.Ring = e.joined(v, c.Ring, text)
		}
	}
	if c.transit != nil {
		c.keepers = append(c.keepers, c.transit)
	}
	if path := e.get(name + "_FILE"); path != "" && e.get(name) == "" && !wrapped {
		f, err := kmskeep.OpenFile(path)
		if err != nil {
			e.errs = append(e.errs, fmt.Errorf("%s_FILE: %w", name, err))
			return
		}
		c.keepers = append(c.keepers, f)
	}
}

func (e *env) joined(name string, to *vault.Ring, text string) *vault.Ring {
	r, err := vault.ParseRing(text)
	if err == nil && to != nil {
		r, err = to.Join(r)
	}
	if err != nil {
		e.errs = append(e.errs, fmt.Errorf("%s: %w", name, err))
		return to
	}
	return r
}

// vault is HashiCorp Vault as it is configured; nil: it is not.
func (e *env) vault() *kmskeep.Transit {
	c := kmskeep.TransitConfig{
		Address: e.text("CARILLON_VAULT_ADDR", ""), Mount: e.text("CARILLON_VAULT_MOUNT", "transit"), Key: e.text("CARILLON_VAULT_KEY", "carillon"),
		Namespace: e.get("CARILLON_VAULT_NAMESPACE"), Now: time.Now,
	}
	nets, token := e.prefixes("CARILLON_VAULT_NETWORKS"), e.secret("CARILLON_VAULT_TOKEN")
	if e.get("CARILLON_ALLOW_LOOPBACK") == "1" {
		nets = append(nets, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	}
	if c.Address == "" {
		return nil
	}
	out := egress.New(egress.Options{AllowPrivate: nets, Ports: []uint16{8200}})
	if err := out.Check(c.Address); err != nil {
		e.errs = append(e.errs, fmt.Errorf("CARILLON_VAULT_ADDR: %w (a network of your own is named in CARILLON_VAULT_NETWORKS)", err))
	}
	if token == "" {
		e.errs = append(e.errs, errors.New("CARILLON_VAULT_TOKEN is not set"))
	}
	c.Client = out.Client(10*time.Second, 1<<20)
	file := e.get("CARILLON_VAULT_TOKEN_FILE")
	c.Token = func() (secret.Secret, error) {
		if file == "" || e.get("CARILLON_VAULT_TOKEN") != "" {
			return secret.Secret(token), nil
		}
		b, err := os.ReadFile(file)
		return secret.Secret(strings.TrimSpace(string(b))), err
	}
	return kmskeep.NewTransit(c)
}

// masterRow is what a master key is bound to that Vault wrapped.
func masterRow(number string) []byte { return []byte("carillon master key " + number) }

// unwrapped asks Vault for the master keys that read N:vault:v1:….
func (e *env) unwrapped(name, text string, v *kmskeep.Transit) string {
	if v == nil {
		e.errs = append(e.errs, fmt.Errorf("%s: a key is wrapped by Vault, and CARILLON_VAULT_ADDR is not set", name))
		return ""
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var out []string
	for _, one := range vault.Entries(text) {
		number, ciphertext, _ := strings.Cut(one, ":")
		if strings.HasPrefix(ciphertext, "vault:v") {
			w, err := v.Parse(ciphertext)
			var key []byte
			if err == nil {
				key, err = v.Unwrap(ctx, w, masterRow(number))
			}
			if err != nil {
				e.errs = append(e.errs, fmt.Errorf("%s: key %s: %w", name, number, err))
				return ""
			}
			one = number + ":" + base64.StdEncoding.EncodeToString(key)
		}
		out = append(out, one)
	}
	return strings.Join(out, " ")
}

// keeper wraps data keys. Whoever kept them before, of those that are
// configured, still unwraps.
func (c config) keeper() kms.Keeper {
	if len(c.keepers) == 0 {
		return c.Ring
	}
	return kms.Several(c.keepers[0], append(c.keepers[1:len(c.keepers):len(c.keepers)], c.Ring)...)
}

func secretsNew() *cobra.Command {
	return &cobra.Command{
		Use: "new", Short: "Print a new master key, numbered and as it is to be configured; with Vault, wrapped by it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(os.Getenv)
			if err != nil {
				return err
			}
			number := 1
			if cfg.Ring != nil {
				all := cfg.Ring.Numbers()
				number = all[len(all)-1] + 1
			}
			key := make([]byte, vault.KeySize)
			_, _ = rand.Read(key) // never fails, see crypto/rand
			text := base64.StdEncoding.EncodeToString(key)
			if cfg.transit != nil {
				w, err := cfg.transit.Wrap(c.Context(), key, masterRow(fmt.Sprint(number)))
				if err != nil {
					return err
				}
				text = cfg.transit.Text(w)
			}
			return say(c, "%d:%s\n", number, text)
		},
	}
}
