package main

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/spf13/cobra"
)

// seeded says who can sign in after `carillon seed`.
type seeded struct {
	Email     string `json:"email"`
	Password  string `json:"password"`
	Workspace string `json:"workspace"` // where they work
}

// seedCommand makes the people of `carillon dev` in any database, for drivers
// that run serve and work as processes of their own. Everybody knows the
// password, so it refuses where the installation may be reached from outside.
func seedCommand() *cobra.Command {
	return &cobra.Command{
		Use: "seed", Short: "Make the people of dev, for a trial; prints who can sign in", Hidden: true, Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return process(c, func(k *kernel, ctx context.Context) error {
				if !k.cfg.AllowLoopback {
					return errors.New("seed makes people with a known password; it is for trials, with CARILLON_ALLOW_LOOPBACK=1")
				}
				if err := k.seed(ctx); err != nil {
					return err
				}
				ada, err := k.names.Find(ctx, agencyOwner.Email)
				if err != nil {
					return err
				}
				return json.NewEncoder(c.OutOrStdout()).Encode(seeded{ada.Email, demoPassword, string(ada.Home)})
			})
		},
	}
}
