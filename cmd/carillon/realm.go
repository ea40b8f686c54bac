package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/totp"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/tenants"
)

func newAdmin(db *postgres.DB, sealer admin.Sealer, hasher identity.Hasher, keys *vault.Ring) *admin.Service {
	return admin.New(admin.Deps{
		Store: db.Admin(), Hasher: hasher, Codes: totp.New("Carillon operator"), Sealer: sealer, AddressKey: keys.Key(vault.Operators), Now: time.Now,
	})
}

// enlist makes a member of the root an operator of the realm, and prints a link
// to choose a password there with, the first time or if asked to.
func (o operators) enlist(ctx context.Context, c *cobra.Command, cfg config, user *identity.User, again, mail bool) error {
	all, err := o.admin.Operators(ctx, admin.Shell())
	if err != nil {
		return err
	}
	for _, v := range all {
		if v.Email == user.Email && !again {
			return nil
		}
	}
	_, token, err := o.admin.AddOperator(ctx, admin.Shell(), user.Email, user.Name)
	if err != nil || mail {
		return err
	}
	return say(c, "for the operators' realm, choose another within 24 hours, once: %s/operator-password#token=%s\n", cfg.URL, token.Reveal())
}

// operatorRealm are the commands that do what the realm does over HTTP, from a
// shell beside the database.
func operatorRealm() []*cobra.Command {
	return []*cobra.Command{
		realmCommand("link EMAIL", "Print a link to choose a password for the operators' realm", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
			v, token, err := o.admin.AddOperator(ctx, admin.Shell(), args[0], "")
			if err != nil {
				return err
			}
			cfg, err := loadConfig(os.Getenv)
			return errors.Join(err, say(c, "%s: %s/operator-password#token=%s\n", v.Email, cfg.URL, token.Reveal()))
		}),
		realmCommand("reset-factor EMAIL", "Forget an operator's authenticator app: the next sign-in enrols another", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
			return done(c, o.admin.ResetFactor(ctx, admin.Shell(), args[0]))
		}),
		codeCommand(), usersCommand(), tenantsCommand(), suspendCommand(), resumeCommand(), grantCommand(),
		blockCommand(), unblockCommand(), flagCommand(), maintenanceCommand(),
	}
}

// realmCommand is one that needs the database and the master key.
func realmCommand(use, short string, args int, run func(context.Context, *cobra.Command, operators, []string) error) *cobra.Command {
	return &cobra.Command{
		Use: use, Short: short, Args: cobra.ExactArgs(args),
		RunE: func(c *cobra.Command, args []string) error {
			return withOperators(c, func(ctx context.Context, _ config, o operators) error {
				return explain(run(ctx, c, o, args))
			})
		},
	}
}

func done(c *cobra.Command, err error) error {
	if err != nil {
		return err
	}
	return say(c, "done; it counts everywhere within a second\n")
}

// codeCommand plays the authenticator app on a machine of one's own.
func codeCommand() *cobra.Command {
	c := realmCommand("code EMAIL", "Print the code that signing in to the realm asks for, on a machine of `carillon dev`", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
		cfg, err := loadConfig(os.Getenv)
		if err != nil {
			return err
		}
		if cfg.DatabaseURL != "" || cfg.AppURL != "" {
			return errors.New("this plays the authenticator app for `carillon dev` alone; for one that is lost: carillon operator reset-factor EMAIL")
		}
		code, err := o.admin.Code(ctx, admin.Shell(), args[0])
		if err != nil {
			return err
		}
		return say(c, "%s\n", code)
	})
	return c
}

func usersCommand() *cobra.Command {
	return realmCommand("users TEXT", "Find people by id, address or name", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
		page, more, err := o.admin.Users(ctx, admin.Shell(), admin.Search{Text: args[0], Limit: 100})
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tADDRESS\tNAME\tSUSPENDED")
		for _, u := range page {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", u.ID, u.Email, u.Name, u.Reason)
		}
		return errors.Join(w.Flush(), andMore(c, more))
	})
}

func tenantsCommand() *cobra.Command {
	return realmCommand("tenants TEXT", "Find tenants by id or name", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
		page, more, err := o.admin.Tenants(ctx, admin.Shell(), admin.Search{Text: args[0], Limit: 100})
		if err != nil {
			return err
		}
		w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ID\tKIND\tNAME\tPLAN\tUNTIL\tSUSPENDED")
		for _, t := range page {
			until := ""
			if t.Grant != nil {
				until = t.Grant.Until.Format(time.RFC3339)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Kind, t.Name, t.Tier, until, t.Reason)
		}
		return errors.Join(w.Flush(), andMore(c, more))
	})
}

func andMore(c *cobra.Command, more bool) error {
	if !more {
		return nil
	}
	return say(c, "there are more: say it more exactly\n")
}

func suspendCommand() *cobra.Command {
	var reason string
	c := realmCommand("suspend ID", "Shut out a person or a tenant, by id", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
		_, err := o.admin.SuspendUser(ctx, admin.Shell(), tenants.UserID(args[0]), reason)
		if tenant := tenants.ID(args[0]); tenant.Valid() {
			_, err = o.admin.SuspendTenant(ctx, admin.Shell(), tenant, reason)
		}
		return done(c, err)
	})
	c.Flags().StringVar(&reason, "reason", "", "why; it is recorded")
	return c
}

func resumeCommand() *cobra.Command {
	return realmCommand("resume ID", "Let a person or a tenant in again, by id", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
		_, err := o.admin.ResumeUser(ctx, admin.Shell(), tenants.UserID(args[0]))
		if tenant := tenants.ID(args[0]); tenant.Valid() {
			_, err = o.admin.ResumeTenant(ctx, admin.Shell(), tenant)
		}
		return done(c, err)
	})
}

func grantCommand() *cobra.Command {
	var reason string
	var days int
	c := realmCommand("grant TENANT PLAN", "Give a tenant a plan for some days; PLAN none ends that", 2, func(ctx context.Context, c *cobra.Command, o operators, args []string) (err error) {
		if args[1] == "none" {
			_, err = o.admin.EndGrant(ctx, admin.Shell(), tenants.ID(args[0]))
		} else {
			_, err = o.admin.GrantTier(ctx, admin.Shell(), tenants.ID(args[0]), tenants.Tier(args[1]), time.Now().AddDate(0, 0, days), reason)
		}
		return done(c, err)
	})
	c.Flags().StringVar(&reason, "reason", "", "why; it is recorded")
	c.Flags().IntVar(&days, "days", 30, "for how long")
	return c
}

func blockCommand() *cobra.Command {
	var reason string
	var hours int
	c := realmCommand("block RANGE", "Take nothing from an address or a range, such as 192.0.2.0/24", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
		var until time.Time
		if hours > 0 {
			until = time.Now().Add(time.Duration(hours) * time.Hour)
		}
		b, err := o.admin.Block(ctx, admin.Shell(), netip.Addr{}, args[0], reason, until)
		if err != nil {
			return err
		}
		return say(c, "%s is blocked; to lift it: carillon operator unblock %s\n", b.Range, b.ID)
	})
	c.Flags().StringVar(&reason, "reason", "", "why; it is recorded")
	c.Flags().IntVar(&hours, "hours", 0, "for how long; 0 means until it is lifted")
	return c
}

func unblockCommand() *cobra.Command {
	return realmCommand("unblock ID|RANGE", "Lift a block", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
		all, err := o.admin.Blocks(ctx, admin.Shell())
		if err != nil {
			return err
		}
		name := args[0]
		for _, b := range all {
			if b.Range.String() == name {
				name = b.ID
			}
		}
		return done(c, o.admin.Unblock(ctx, admin.Shell(), name))
	})
}

func flagCommand() *cobra.Command {
	var tenant, says string
	c := realmCommand("flag NAME on|off|default", "Switch a feature, for all or for one tenant and what is below it", 2, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
		on := args[1] == "on"
		switch {
		case args[1] != "on" && args[1] != "off" && args[1] != "default":
			return errors.New("say on, off or default")
		case tenant != "" && args[1] == "default":
			return done(c, o.admin.Override(ctx, admin.Shell(), tenants.ID(tenant), args[0], nil))
		case tenant != "":
			return done(c, o.admin.Override(ctx, admin.Shell(), tenants.ID(tenant), args[0], &on))
		case args[1] == "default":
			return done(c, o.admin.DropFlag(ctx, admin.Shell(), args[0]))
		}
		_, err := o.admin.SetFlag(ctx, admin.Shell(), args[0], says, on)
		return done(c, err)
	})
	c.Flags().StringVar(&tenant, "tenant", "", "for this one only, ten_…")
	c.Flags().StringVar(&says, "description", "", "what it is for")
	return c
}

func maintenanceCommand() *cobra.Command {
	var message string
	var after time.Duration
	var hold bool
	c := realmCommand("maintenance on|off", "Answer nothing but health and this realm; or let everything go on", 1, func(ctx context.Context, c *cobra.Command, o operators, args []string) error {
		if args[0] != "on" && args[0] != "off" {
			return errors.New("say on or off")
		}
		_, err := o.admin.SetMaintenance(ctx, admin.Shell(), admin.Maintenance{On: args[0] == "on", Message: message, RetryAfter: after, StopPublish: hold})
		return done(c, err)
	})
	c.Flags().StringVar(&message, "message", "", "what people are told")
	c.Flags().DurationVar(&after, "retry-after", time.Minute, "when clients are to come back")
	c.Flags().BoolVar(&hold, "hold", false, "hold what is due too, until it ends; otherwise workers go on")
	return c
}
