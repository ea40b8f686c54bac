package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// errTampered is told by exit code 2: everything was read, and is not sound.
var errTampered = errors.New("the audit is not what was sealed")

func auditCommand() *cobra.Command {
	c := &cobra.Command{Use: "audit", Short: "Who did what, and whether anybody rewrote it"}
	c.AddCommand(auditVerify(), auditHeads())
	return c
}

func auditVerify() *cobra.Command {
	var tenant, heads string
	var asJSON bool
	c := &cobra.Command{
		Use: "verify", Short: "Check every chain, link by link, and every signature", Args: cobra.NoArgs,
		Long: "Finds entries that were changed, removed, moved or slipped in, and heads that this installation did not sign.\n" +
			"That the end of a chain was cut off shows only beside heads that were kept elsewhere: `carillon audit heads > FILE`,\n" +
			"now and then, to where the database's owner cannot reach, and `carillon audit verify --heads FILE`.\n" +
			"Exit code 0: sound. 2: not sound. 1: could not be checked.",
		RunE: func(c *cobra.Command, _ []string) error {
			kept, err := witnesses(heads)
			if err != nil {
				return err
			}
			return withKeys(c, func(ctx context.Context, cfg config, db *postgres.DB) error {
				return verify(ctx, c.OutOrStdout(), audit.NewVerifier(db.AuditChains(), auditKeys(cfg), time.Now), tenants.ID(tenant), kept, asJSON)
			})
		},
	}
	c.Flags().StringVar(&tenant, "tenant", "", "only this tenant's, ten_…")
	c.Flags().StringVar(&heads, "heads", "", "a file of `carillon audit heads`, all of which must be in the chains")
	c.Flags().BoolVar(&asJSON, "json", false, "one report a line, as JSON")
	return c
}

func auditHeads() *cobra.Command {
	return &cobra.Command{
		Use: "heads", Short: "Print the end of every chain, to be kept elsewhere", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withKeys(c, func(ctx context.Context, cfg config, db *postgres.DB) error {
				out := json.NewEncoder(c.OutOrStdout())
				v := audit.NewVerifier(db.AuditChains(), auditKeys(cfg), time.Now)
				return v.Heads(ctx, func(w audit.Witness) error { return out.Encode(w) })
			})
		},
	}
}

// auditKeys sign heads, and know those that older master keys signed.
func auditKeys(cfg config) *audit.Keys {
	return audit.NewKeys(cfg.Ring.Key(vault.Audit), cfg.Ring.Others(vault.Audit)...)
}

func witnesses(path string) (kept []audit.Witness, err error) {
	if path == "" {
		return nil, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }()
	for in := json.NewDecoder(f); ; {
		var w audit.Witness
		if err := in.Decode(&w); errors.Is(err, io.EOF) {
			return kept, nil
		} else if err != nil {
			return nil, fmt.Errorf("%s is no file of heads: %w", path, err)
		}
		kept = append(kept, w)
	}
}

func verify(ctx context.Context, out io.Writer, v *audit.Verifier, tenant tenants.ID, kept []audit.Witness, asJSON bool) error {
	books, entries, findings := 0, int64(0), 0
	each := func(r audit.Report) error {
		books, entries, findings = books+1, entries+r.Entries, findings+len(r.Findings)
		if asJSON {
			return json.NewEncoder(out).Encode(r)
		}
		for _, f := range r.Findings {
			if _, err := fmt.Fprintf(out, "%s  %-11s  seq %d  %s  %s\n", f.Tenant, f.Problem, f.Seq, f.Entry, f.Says); err != nil {
				return err
			}
		}
		return nil
	}
	var err error
	if tenant == "" {
		err = v.All(ctx, kept, each)
	} else {
		var r audit.Report
		if r, err = v.Book(ctx, tenant, kept); err == nil {
			err = each(r)
		}
	}
	if err == nil && !asJSON {
		_, err = fmt.Fprintf(out, "%d entries in %d chains; %d findings\n", entries, books, findings)
	}
	if err == nil && findings > 0 {
		err = errTampered
	}
	return err
}

// sealEvery is how often what was written is sealed.
const sealEvery = 2 * time.Second

// seal chains and signs the audit until ctx is done. Every worker does; they
// take turns.
func (k *kernel) seal(ctx context.Context) {
	s := audit.NewSealer(k.db.AuditChains(), auditKeys(k.cfg))
	timer := time.NewTicker(sealEvery)
	defer timer.Stop()
	for said := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
			_, err := s.Run(ctx)
			switch {
			case err == nil:
				said = ""
			case ctx.Err() == nil && err.Error() != said: // once, not every two seconds
				said = err.Error()
				k.log.ErrorContext(ctx, "the audit could not be sealed", "err", err)
			}
		}
	}
}
