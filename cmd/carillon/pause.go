package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
)

// pauseCommand is the operator's kill switch. It needs the database and
// nothing else, because it is for bad days.
func pauseCommand() *cobra.Command {
	var platform, reason string
	var resume bool
	c := &cobra.Command{
		Use: "pause", Short: "Hold back all publishing, or that to one platform, or --resume it", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if reason == "" && !resume {
				return errors.New("say why, with --reason: people will see it")
			}
			return process(c, func(k *kernel, ctx context.Context) error {
				if err := k.pause(ctx, platform, reason, resume); err != nil {
					return err
				}
				_, err := fmt.Fprintln(c.OutOrStdout(), "done; it works everywhere within seconds")
				return err
			})
		},
	}
	c.Flags().StringVar(&platform, "platform", "", "plugin id, such as org.joinmastodon; without it, everything")
	c.Flags().StringVar(&reason, "reason", "", "what people are told")
	c.Flags().BoolVar(&resume, "resume", false, "let it go on")
	return c
}

func (k *kernel) pause(ctx context.Context, platform, reason string, resume bool) error {
	switch {
	case platform != "" && resume:
		return k.db.ResumePlatform(ctx, platform)
	case platform != "":
		return k.db.PausePlatform(ctx, platform, reason)
	case resume:
		return k.db.ResumeAll(ctx)
	}
	return k.db.PauseAll(ctx, reason)
}
