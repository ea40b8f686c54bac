package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/postgres"
)

// pauseCommand is the operator's kill switch. It needs the database and
// nothing else, because it is for bad days.
func pauseCommand() *cobra.Command {
	var platform, reason string
	var resume, restored, force bool
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
			return withDatabase(c, func(ctx context.Context, cfg config, db *postgres.DB) error {
				var err error
				if platform != "" && !resume && !force {
					err = knownPlatform(ctx, cfg, db, platform)
				}
				switch {
				case err != nil:
				case restored:
					err = db.MarkRestored(ctx)
				default:
					err = pause(ctx, db, platform, reason, resume)
				}
				if err != nil {
					return explain(err)
				}
				_, err = fmt.Fprintln(c.OutOrStdout(), "done; it works everywhere within seconds")
				return err
			})
		},
	}
	c.Flags().StringVar(&platform, "platform", "", "plugin id, such as org.joinmastodon; without it, everything")
	c.Flags().StringVar(&reason, "reason", "", "what people are told")
	c.Flags().BoolVar(&force, "force", false, "also a platform that is not installed now")
	c.Flags().BoolVar(&resume, "resume", false, "let it go on")
	c.Flags().BoolVar(&restored, "restored", false, "this database was put back to an earlier state: pause, and look up what may have gone out since")
	return c
}

// knownPlatform refuses a misspelt platform, which would hold nothing back.
func knownPlatform(ctx context.Context, cfg config, db *postgres.DB, id string) error {
	known, err := db.Platforms(ctx)
	if err != nil {
		return err
	}
	for _, s := range specs(cfg) {
		known = append(known, s.ID)
	}
	if slices.Contains(known, id) {
		return nil
	}
	slices.Sort(known)
	return fmt.Errorf("nothing is paused: there is no platform %q here; there are %s (--force pauses it nevertheless)", id, strings.Join(slices.Compact(known), ", "))
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
