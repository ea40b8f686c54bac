package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/argon"
	"github.com/carillonhq/carillon/adapters/casbin"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/registry"
)

var errNoOperator = errors.New("this installation has no operator yet; run: carillon operator add EMAIL")

func operatorCommand() *cobra.Command {
	c := &cobra.Command{Use: "operator", Short: "The people who run this installation"}
	c.AddCommand(operatorRealm()...)
	c.AddCommand(operatorAdd(), &cobra.Command{
		Use: "list", Short: "List them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return withOperators(c, func(ctx context.Context, _ config, o operators) error { return o.list(ctx, c) })
		},
	}, &cobra.Command{
		Use: "remove EMAIL", Short: "Remove one, but never the last owner; their account stays", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return withOperators(c, func(ctx context.Context, _ config, o operators) error {
				if err := o.remove(ctx, args[0]); err != nil {
					return explain(err)
				}
				return say(c, "%s is no operator any more\n", args[0])
			})
		},
	})
	return c
}

func operatorAdd() *cobra.Command {
	var name string
	var link, mail bool
	c := &cobra.Command{
		Use: "add EMAIL", Short: "Make somebody an owner of this installation, the first or one more", Args: cobra.ExactArgs(1),
		Long: "Needs the database and nothing else. Somebody without an account gets one, and a link to choose a password: it is printed,\n" +
			"works once, within 24 hours, and is as good as the password; with --mail a worker sends it instead. Run again, it changes nothing.",
		RunE: func(c *cobra.Command, args []string) error {
			return withOperators(c, func(ctx context.Context, cfg config, o operators) error {
				user, fresh, err := o.add(ctx, args[0], name)
				if err != nil {
					return explain(err)
				}
				if err := say(c, "%s is an operator of this installation\n", user.Email); err != nil {
					return err
				}
				if err := o.enlist(ctx, c, cfg, user, link, mail); err != nil || !fresh && !link && !mail {
					return err
				}
				if mail {
					return errors.Join(o.people.MailLink(ctx, user), say(c, "a link to choose a password will be mailed\n"))
				}
				token, err := o.people.Link(ctx, user.ID)
				if err != nil {
					return err
				}
				return say(c, "as a member, choose a password within 24 hours, once: %s/reset-password#token=%s\n", cfg.URL, token.Reveal())
			})
		},
	}
	c.Flags().StringVar(&name, "name", "", "what to call them; without it, the address up to the @")
	c.Flags().BoolVar(&link, "link", false, "print a link to choose a password, also for an account that is there")
	c.Flags().BoolVar(&mail, "mail", false, "have the link mailed, rather than printed")
	c.MarkFlagsMutuallyExclusive("link", "mail")
	return c
}

// operators are the members of the root of the tree, from a shell beside the
// database. Whoever has that may do what an owner may.
type operators struct {
	people  *identity.Directory
	tenants *registry.Service
	root    func(context.Context) (tenants.ID, error)
	admin   *admin.Service
}

func withOperators(c *cobra.Command, run func(context.Context, config, operators) error) error {
	return withKeys(c, func(ctx context.Context, cfg config, db *postgres.DB) error {
		authz, err := casbin.New(db)
		if err != nil {
			return err
		}
		envelope := vault.NewEnvelope(db.DataKeys(), cfg.keeper(), time.Now)
		hasher := argon.New(argon.Current())
		return run(ctx, cfg, operators{
			admin:   newAdmin(db, envelope, hasher, cfg.Ring),
			people:  identity.NewDirectory(db.Identity(), hasher, time.Now),
			tenants: registry.New(db.Registry(), authz, time.Now),
			root:    db.Registry().Operator,
		})
	})
}

// who is an owner of the operator, without a name.
func (o operators) who(ctx context.Context) (tenants.Scope, error) {
	root, err := o.root(ctx)
	if fault.Is(err, fault.NotFound) {
		err = errNoOperator
	}
	return tenants.Scope{Tenant: root, Kind: tenants.Operator, Role: tenants.Owner, Tier: tenants.Team}, err
}

// add makes a person an owner, and an account for them and the operator itself
// if there is none. Each step is found done when it is run again. fresh says
// that they have to choose a password.
func (o operators) add(ctx context.Context, email, name string) (user *identity.User, fresh bool, err error) {
	if user, err = o.person(ctx, email, name); err != nil {
		return nil, false, err
	}
	root, err := o.tenants.Bootstrap(ctx, user.ID, "This installation")
	if err != nil {
		return nil, false, err
	}
	if err := o.own(ctx, user.ID, root); err != nil {
		return nil, false, err
	}
	if user.Home != "" {
		return user, false, nil
	}
	return user, true, o.people.SetHome(ctx, user.ID, root)
}

// own makes user an owner of root, if they are none.
func (o operators) own(ctx context.Context, user tenants.UserID, root tenants.ID) error {
	who, err := o.who(ctx)
	if err != nil {
		return err
	}
	is, err := o.tenants.Resolve(ctx, user, root)
	switch {
	case fault.Is(err, fault.NotFound):
		_, err = o.tenants.AddMember(ctx, who, user, tenants.Owner)
	case err == nil && is.Role != tenants.Owner:
		_, err = o.tenants.SetRole(ctx, who, user, tenants.Owner)
	}
	return err
}

func (o operators) person(ctx context.Context, email, name string) (*identity.User, error) {
	user, err := o.people.Find(ctx, email)
	if !fault.Is(err, fault.NotFound) {
		return user, err
	}
	if name == "" {
		name, _, _ = strings.Cut(email, "@")
	}
	return o.people.Invite(ctx, email, name)
}

// maxOperators is how many are listed.
const maxOperators = 1000

func (o operators) list(ctx context.Context, c *cobra.Command) error {
	who, err := o.who(ctx)
	if err != nil {
		return err
	}
	members, err := o.tenants.Members(ctx, who, "", maxOperators)
	if err != nil {
		return err
	}
	ids := make([]tenants.UserID, len(members))
	for i, m := range members {
		ids[i] = m.User
	}
	people, err := o.people.Names(ctx, ids)
	if err != nil {
		return err
	}
	known := map[tenants.UserID]identity.User{}
	for _, p := range people {
		known[p.ID] = p
	}
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	realm, err := o.admin.Operators(ctx, admin.Shell())
	if err != nil {
		return err
	}
	code := map[string]string{}
	for _, v := range realm {
		code[v.Email] = map[bool]string{true: "not enrolled", false: "enrolled"}[v.EnrolledAt.IsZero()]
	}
	fmt.Fprintln(w, "ADDRESS\tNAME\tROLE\tCODE\tSINCE")
	for _, m := range members {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", known[m.User].Email, known[m.User].Name, m.Role, code[known[m.User].Email], m.CreatedAt.UTC().Format(time.DateOnly))
	}
	return w.Flush()
}

func (o operators) remove(ctx context.Context, email string) error {
	who, err := o.who(ctx)
	if err != nil {
		return err
	}
	user, err := o.people.Find(ctx, email)
	if err != nil {
		return err
	}
	if err := o.tenants.RemoveMember(ctx, who, user.ID); err != nil {
		return err
	}
	err = o.admin.RemoveOperator(ctx, admin.Shell(), email)
	if fault.Is(err, fault.NotFound) { // a member of the root who never was one
		return nil
	}
	return err
}
