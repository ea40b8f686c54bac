package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/imaging"
	"github.com/carillonhq/carillon/adapters/postgres"
)

func migrateCommand() *cobra.Command {
	return &cobra.Command{
		Use: "migrate", Short: "Bring the database at DATABASE_URL to this version", Args: cobra.NoArgs,
		Long: "Creates the roles, the schema and the job queue, or brings them up to date. Any number of processes may run it\n" +
			"at once; one works and the others wait. DATABASE_URL is the owner's login.",
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(os.Getenv)
			if err != nil {
				return err
			}
			o, err := cfg.databases()
			if err != nil {
				return err
			}
			if cfg.DatabaseURL == "" {
				return errors.New("DATABASE_URL is not set")
			}
			if err := postgres.Migrate(c.Context(), cfg.DatabaseURL, o); err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), "the database is up to date")
			return err
		},
	}
}

func citusCommand() *cobra.Command {
	return &cobra.Command{
		Use: "citus", Short: "Print the statements that spread the database over a Citus cluster", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withDatabase(c, func(ctx context.Context, _ config, db *postgres.DB) error {
				statements, err := db.DistributionSQL(ctx)
				for _, s := range statements {
					fmt.Fprintln(c.OutOrStdout(), s)
				}
				return err
			})
		},
	}
}

func mediaWorkerCommand() *cobra.Command {
	return &cobra.Command{
		Use: "media-worker", Short: "Decode one picture; the server runs this", Hidden: true, Args: cobra.NoArgs,
		Run: func(*cobra.Command, []string) { os.Exit(imaging.Child(os.Stdin, io.Writer(os.Stdout))) },
	}
}
