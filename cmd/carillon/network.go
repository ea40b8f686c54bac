package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

func networkCommand() *cobra.Command {
	var addr, dir string
	var o network.Options
	c := &cobra.Command{
		Use: "network", Short: "Run Pigeon, the practice network", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Dir = dir
			o.Warn = func(what string) { fmt.Fprintln(c.ErrOrStderr(), what) }
			ln, err := net.Listen("tcp", addr)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(c.OutOrStdout(), "http://%s\n", ln.Addr()); err != nil {
				return err
			}
			return runNetwork(c.Context(), ln, o)
		},
	}
	f := c.Flags()
	f.StringVar(&addr, "addr", "127.0.0.1:8780", "where to listen")
	f.StringVar(&dir, "dir", "", "where to keep posts; empty keeps them in memory")
	f.DurationVar(&o.Processing, "processing", time.Second, "how long a picture is not ready")
	f.DurationVar(&o.IndexLag, "index-lag", 0, "how long a post is missing from listings")
	f.BoolVar(&o.NativeKey, "native-key", false, "answer a repeated mark with the first post")
	f.BoolVar(&o.Unmarked, "unmarked", false, "take marks and never show them: posts can be looked up by their words alone")
	f.IntVar(&o.RateLimit, "rate", 0, "requests per account in five minutes; 0 is no limit")
	f.DurationVar(&o.SlowFor, "slow-for", 5*time.Second, "how long a slow answer takes")
	f.Uint64Var(&o.Faults.Seed, "seed", 1, "of the faults")
	for _, chance := range []struct {
		of   *float64
		name string
		what string
	}{
		{&o.Faults.Limit, "limit", "refused with 429"},
		{&o.Faults.Expire, "expire", "refused with an expired token"},
		{&o.Faults.Reset, "reset", "cut off before they are taken"},
		{&o.Faults.Unavailable, "unavailable", "refused with 503"},
		{&o.Faults.Slow, "slow", "taken slowly"},
		{&o.Faults.DropReply, "drop-reply", "taken and not answered"},
		{&o.Faults.FailAfterAccept, "fail-after-accept", "taken and answered with 500"},
		{&o.Faults.Garble, "garble", "taken and answered with garbage"},
		{&o.Faults.Stall, "stall", "taken and answered too late"},
	} {
		f.Float64Var(chance.of, chance.name, 0, "share of posts that are "+chance.what)
	}
	return c
}

// runNetwork serves a practice network until ctx is done. Its folder is its own
// meanwhile.
func runNetwork(ctx context.Context, ln net.Listener, o network.Options) error {
	if o.Dir != "" {
		lock, err := lockDir(o.Dir, "a practice network on "+ln.Addr().String())
		if err != nil {
			return fmt.Errorf("%w; stop that one, or choose another --dir", err)
		}
		defer func() { _ = lock.Close() }()
	}
	n, err := network.Open(o)
	if err != nil {
		return err
	}
	return errors.Join(serveLocal(ctx, ln, n), n.Close())
}

// serveLocal serves h to this machine until ctx is done.
func serveLocal(ctx context.Context, ln net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = s.Close() })
	defer stop()
	if err := s.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
