package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// docs/secrets.md says what there is to rotate, and how.
func secretsCommand() *cobra.Command {
	c := &cobra.Command{Use: "secrets", Short: "The keys that secrets are kept under"}
	c.AddCommand(secretsNew(), secretsStatus(), secretsRotate(), secretsRetire())
	return c
}

// safe is the keys of an installation, from a shell beside the database.
type safe struct {
	cfg      config
	db       *postgres.DB
	envelope *vault.Envelope
}

func atSafe(c *cobra.Command, run func(context.Context, safe) error) error {
	return withKeys(c, func(ctx context.Context, cfg config, db *postgres.DB) error {
		return run(ctx, safe{cfg, db, vault.NewEnvelope(db.DataKeys(), cfg.keeper(), time.Now)})
	})
}

func secretsStatus() *cobra.Command {
	return &cobra.Command{
		Use: "status", Short: "Show which keys there are, what is under each, and what waits to be sealed anew", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return atSafe(c, func(ctx context.Context, s safe) error { return s.status(ctx, c) })
		},
	}
}

func (s safe) status(ctx context.Context, c *cobra.Command) error {
	have, err := s.cfg.keeper().Keys(ctx)
	if err != nil {
		return err
	}
	under, err := s.db.DataKeys().WrappedBy(ctx)
	if err != nil {
		return err
	}
	retired, err := s.db.DataKeys().Retired(ctx)
	if err != nil {
		return err
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "KEY\tSTATE\tDATA KEYS UNDER IT")
	names := slices.Compact(slices.Sorted(slices.Values(slices.Concat(have.All, retired, slices.Collect(maps.Keys(under))))))
	for _, name := range names {
		state := "not configured"
		switch {
		case slices.Contains(retired, name):
			state = "retired"
		case name == have.Current:
			state = "current"
		case slices.Contains(have.All, name):
			state = "opens and verifies"
		}
		fmt.Fprintf(w, "%s\t%s\t%d\n", name, state, under[name])
	}
	if err := w.Flush(); err != nil {
		return err
	}
	boxes, older, err := s.envelope.Waiting(ctx, s.db.Boxes())
	if err != nil {
		return err
	}
	for _, column := range slices.Sorted(maps.Keys(boxes)) {
		if err := say(c, "%s: %d sealed by older data keys\n", column, boxes[column]); err != nil {
			return err
		}
	}
	return say(c, "%d older data keys\n", older)
}

func secretsRotate() *cobra.Command {
	var data, resume bool
	c := &cobra.Command{
		Use: "rotate", Short: "Put every data key under the current key, and on request everything sealed under new data keys", Args: cobra.NoArgs,
		Long: "Takes CARILLON_MASTER_KEY, whose first key is the current one, with the keys before it behind it. It runs beside everything else,\n" +
			"in small steps, and may be stopped and run again. With --data-keys every tenant gets a new data key, and what is sealed is sealed anew\n" +
			"by it; --resume goes on where that was stopped.",
		RunE: func(c *cobra.Command, _ []string) error {
			return atSafe(c, func(ctx context.Context, s safe) error { return s.rotate(ctx, c, data || resume, !resume) })
		},
	}
	c.Flags().BoolVar(&data, "data-keys", false, "replace the tenants' data keys, too")
	c.Flags().BoolVar(&resume, "resume", false, "go on with --data-keys after a stop, without another round of new keys")
	return c
}

// tellEvery is after how many steps a rotation says how far it is.
const tellEvery = 500

func (s safe) rotate(ctx context.Context, c *cobra.Command, data, fresh bool) error {
	told := 0
	progress := func(what string, done int) {
		if done/tellEvery > told {
			told = done / tellEvery
			_, _ = fmt.Fprintf(c.ErrOrStderr(), "%d %s …\n", done, what)
		}
	}
	heads, err := audit.NewSealer(s.db.AuditChains(), auditKeys(s.cfg)).Renew(ctx)
	if err != nil {
		return err
	}
	n, err := s.envelope.Rotate(ctx, progress)
	if err != nil {
		return fmt.Errorf("%d data keys done: %w", n, err)
	}
	have, err := s.cfg.keeper().Keys(ctx)
	if err != nil {
		return err
	}
	if err := say(c, "%d data keys were put under %s; %d audits were signed anew\n", n, have.Current, heads); err != nil {
		return err
	}
	sealed := 0
	if data {
		told = 0
		if sealed, err = s.envelope.Replace(ctx, s.db.Boxes(), fresh, progress); err != nil {
			return fmt.Errorf("%d sealed anew: %w", sealed, err)
		}
		if err := say(c, "%d secrets were sealed by new data keys\n", sealed); err != nil {
			return err
		}
	}
	return s.record(ctx, "secrets.rotate", have.Current, "data_keys", fmt.Sprint(n), "sealed", fmt.Sprint(sealed))
}

func secretsRetire() *cobra.Command {
	return &cobra.Command{
		Use: "retire [KEY]", Short: "Let a key go that nothing is under any more, such as master/1; or, without one, old data keys", Args: cobra.MaximumNArgs(1),
		Long: "A key is refused while anything is under it. Afterwards no process can put anything under it, though it may still have it.\n" +
			"Old data keys go once nothing is sealed by them and every process has heard of the new ones, 15 minutes after --data-keys.\n" +
			"What goes opens the database's older backups: keep the master key as long as those.",
		RunE: func(c *cobra.Command, args []string) error {
			return atSafe(c, func(ctx context.Context, s safe) error {
				if len(args) == 0 {
					return s.drop(ctx, c)
				}
				return s.retire(ctx, c, args[0])
			})
		},
	}
}

func (s safe) drop(ctx context.Context, c *cobra.Command) error {
	dropped, left, err := s.envelope.Drop(ctx, s.db.Boxes())
	if err != nil {
		return err
	}
	if err := s.record(ctx, "secrets.retire", "data keys", "dropped", fmt.Sprint(dropped)); err != nil {
		return err
	}
	if err := say(c, "%d old data keys went\n", dropped); err != nil || left == 0 {
		return err
	}
	return fmt.Errorf("%d tenants still have older ones: see carillon secrets status, and wait 15 minutes after the rotation", left)
}

func (s safe) retire(ctx context.Context, c *cobra.Command, name string) error {
	have, err := s.cfg.keeper().Keys(ctx)
	switch {
	case err != nil:
		return err
	case name == have.Current:
		return errors.New("this is the current key: put another first in CARILLON_MASTER_KEY, then run: carillon secrets rotate")
	case !slices.Contains(have.All, name):
		return fmt.Errorf("there is no key %q; there are %s", name, strings.Join(have.All, ", "))
	}
	if _, err := audit.NewSealer(s.db.AuditChains(), auditKeys(s.cfg)).Renew(ctx); err != nil {
		return err
	}
	if err := s.db.DataKeys().Retire(ctx, name); err != nil {
		return err
	}
	if err := s.record(ctx, "secrets.retire", name); err != nil {
		return err
	}
	return say(c, "%s is retired: take it from CARILLON_MASTER_KEY everywhere, and keep it as long as backups from before\n", name)
}

// record writes in the operator's book, if there is one by now.
func (s safe) record(ctx context.Context, action, subject string, detail ...string) error {
	return s.db.RecordForOperator(ctx, audit.Of(string(tenants.System), action, subject, detail...))
}
