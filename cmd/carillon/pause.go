package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/postgres"
)

// pauseCommand is the operator's kill switch. It needs the database and
// nothing else, because it is for bad days.
func pauseCommand() *cobra.Command {
	var platform, reason string
	var resume, restored bool
	c := &cobra.Command{
		Use: "pause", Short: "Hold back all publishing, or that to one platform, or --resume it", Args: cobra.NoArgs,
		Example: `  carillon pause --reason "Something is wrong; we are looking into it."
  carillon pause --platform org.joinmastodon --reason "Mastodon is down."
  carillon pause --platform org.joinmastodon --resume
  carillon pause --resume
  carillon pause --restored    # after the database was put back from a backup`,
		RunE: func(c *cobra.Command, _ []string) error {
			if reason == "" && !resume && !restored {
				return errors.New("say why, with --reason: people will see it")
			}
			return withDatabase(c, func(ctx context.Context, _ config, db *postgres.DB) error {
				var err error
				if restored {
					err = db.MarkRestored(ctx)
				} else {
					err = pause(ctx, db, platform, reason, resume)
				}
				if err != nil {
					return err
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), "done; it works everywhere within seconds")
				return err
			})
		},
	}
	c.Flags().StringVar(&platform, "platform", "", "plugin id, such as org.joinmastodon; without it, everything")
	c.Flags().StringVar(&reason, "reason", "", "what people are told")
	c.Flags().BoolVar(&resume, "resume", false, "let it go on")
	c.Flags().BoolVar(&restored, "restored", false, "this database was put back to an earlier state: pause, and look up what may have gone out since")
	return c
}

func pause(ctx context.Context, db *postgres.DB, platform, reason string, resume bool) error {
	switch {
	case platform != "" && resume:
		return db.ResumePlatform(ctx, platform)
	case platform != "":
		return db.PausePlatform(ctx, platform, reason)
	case resume:
		return db.ResumeAll(ctx)
	}
	return db.PauseAll(ctx, reason)
}
