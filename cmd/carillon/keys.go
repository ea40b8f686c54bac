package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/tenants/audit"
)

func keysCommand() *cobra.Command {
	c := &cobra.Command{Use: "keys", Short: "The keys that secrets are kept under"}
	c.AddCommand(&cobra.Command{
		Use: "rotate", Short: "Put every tenant's data key under the newest master key", Args: cobra.NoArgs,
		Long: "Takes CARILLON_MASTER_KEY, numbered above those in CARILLON_MASTER_KEYS_OLD. It runs beside everything else and\n" +
			"may be run again; once it has succeeded, the old keys are of no more use.",
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c, func(ctx context.Context, cfg config, db *postgres.DB) error {
				n, err := rotate(ctx, cfg, db)
				if err != nil {
					return fmt.Errorf("%d data keys done: %w", n, err)
				}
				_, err = fmt.Fprintf(c.OutOrStdout(), "%d data keys were put under master key %d; older ones are no longer needed\n", n, cfg.Ring.Current())
				return err
			})
		},
	})
	return c
}

func rotate(ctx context.Context, cfg config, db *postgres.DB) (int, error) {
	if cfg.Ring == nil {
		return 0, errNoMaster()
	}
	envelope := vault.NewEnvelope(db.DataKeys(), cfg.keeper(), time.Now)
	if _, err := audit.NewSealer(db.AuditChains(), auditKeys(cfg)).Renew(ctx); err != nil {
		return 0, err
	}
	return envelope.Rotate(ctx, nil)
}
