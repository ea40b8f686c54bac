package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/carillonhq/carillon/adapters/dispatch"
	"github.com/carillonhq/carillon/adapters/jobs"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/ledger"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants/domains"
	"github.com/carillonhq/carillon/tenants/registry"
)

func workCommand() *cobra.Command {
	return &cobra.Command{
		Use: "work", Short: "Publish what is due and work the queue; run any number of them", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return process(c, func(k *kernel, ctx context.Context) error {
				if err := k.recognise(ctx); err != nil {
					return err
				}
				w := k.dispatcher()
				g, ctx := errgroup.WithContext(ctx)
				g.Go(func() error { return k.operate(ctx, w.ready) })
				g.Go(func() error { return k.work(ctx, w) })
				return g.Wait()
			})
		},
	}
}

// worker is a process's part in publishing.
type worker struct {
	*dispatch.Dispatcher
	wake  chan struct{}
	slots int
}

func (k *kernel) dispatcher() worker {
	runner := publishing.NewRunner(k.db.Posts(), k.db.Queue(), k.channels, k.media, k.rules, mortal(observer(k)), time.Now)
	wake := make(chan struct{}, 1)
	c := dispatch.Config{Holder: holder(), Slots: k.cfg.Slots, Lease: hurry(runner), Log: k.log}
	return worker{dispatch.New(k.db.QueueWithout(k.resting), runner, wake, c), wake, k.cfg.Slots}
}

// resting are the platforms whose plugin is left alone here for a while. In
// another process it may do well.
func (k *kernel) resting() []string { return quarantined(k.plugins.Status()) }

func quarantined(of []pluginhost.Status) (all []string) {
	for _, s := range of {
		if s.State == pluginhost.Quarantined {
			all = append(all, s.ID)
		}
	}
	return all
}

// holder names this process in the journal.
func holder() string {
	host, _ := os.Hostname()
	return fmt.Sprintf("%s/%d", host, os.Getpid())
}

// claimWithin is how recent a claim must be for work to count as being done.
const claimWithin = 10 * time.Second

// quiet is how long ago the database answered a claim. A worker that has its
// hands full asks for nothing, but it asks.
func (w worker) quiet() time.Duration { return time.Since(w.Claimed()) }

// ready means that due deliveries are being claimed.
func (w worker) ready(context.Context) error {
	if q := w.quiet(); q > claimWithin {
		return fmt.Errorf("no claim was answered in the last %s", claimWithin)
	}
	return nil
}

// beatEvery is how often a worker says that it claims.
const beatEvery = 2 * time.Second

// beat tells the installation's servers that this worker claims, until ctx is
// done. Then they are to look for others.
func (k *kernel) beat(ctx context.Context, w worker) {
	began := time.Now()
	timer := time.NewTimer(beatEvery / 10) // the first claim is about to be answered
	defer timer.Stop()
	for ctx.Err() == nil {
		select {
		case <-ctx.Done():
		case <-timer.C:
			timer.Reset(beatEvery)
			if w.quiet() > claimWithin {
				continue
			}
			me := postgres.Worker{Holder: holder(), Version: version, Slots: w.slots, Busy: w.Busy(), Up: time.Since(began), Quiet: w.quiet()}
			if err := k.db.Beat(ctx, me); err != nil && ctx.Err() == nil {
				k.log.WarnContext(ctx, "not listed as a worker", "err", err)
			}
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	_ = k.db.Retire(last, holder())
}

// work publishes and works the queue until ctx is done, then finishes what it
// holds.
func (k *kernel) work(ctx context.Context, w worker) error {
	if err := k.readHosts(ctx); err != nil {
		return err
	}
	client, err := k.queue(w)
	if err != nil {
		return err
	}
	k.watchWorker(w)
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return w.Run(ctx) })
	g.Go(func() error { k.beat(ctx, w); return nil })
	g.Go(func() error { k.follow(ctx); return nil })
	g.Go(func() error { k.followHosts(ctx); return nil })
	g.Go(func() error { k.seal(ctx); return nil })
	g.Go(func() error { k.expire(ctx); return nil })
	g.Go(func() error { k.listenFor(ctx, "what is due", w.wake, k.db.ListenDue, k.sameDatabase); return nil })
	g.Go(func() error {
		// Its context ends with the process, not with the signal: jobs under
		// way are waited for below.
		if err := client.Start(context.WithoutCancel(ctx)); err != nil {
			return err
		}
		<-ctx.Done()
		stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), k.cfg.Grace)
		defer cancel()
		return client.Stop(stop)
	})
	k.log.InfoContext(ctx, "working", "holder", holder(), "slots", k.cfg.Slots)
	return g.Wait()
}

// sameDatabase looks whether the database that was away came back as it was.
func (k *kernel) sameDatabase(ctx context.Context) {
	restored, err := k.db.CheckIdentity(ctx)
	if err != nil || restored {
		k.log.WarnContext(ctx, "the database was away", "restored", restored, "err", err)
	}
}

// queue is River's client with every worker there is.
func (k *kernel) queue(w worker) (interface {
	Start(context.Context) error
	Stop(context.Context) error
}, error) {
	ws := river.NewWorkers()
	jobs.RegisterIdentity(ws, identity.NewPostman(k.db.Identity(), k.mail, k.headOf, time.Now), k.names)
	jobs.RegisterInvitations(ws, registry.NewCourier(k.db.Registry(), k.mail, k.headIn, k.addresses, time.Now))
	jobs.RegisterDomains(ws, k.domains, domains.NewCourier(k.db.Domains(), k.mail, k.addresses, k.headIn))
	jobs.RegisterBrands(ws, k.brands)
	jobs.RegisterExports(ws, k.exports)
	jobs.RegisterErasures(ws, k.erasures)
	jobs.RegisterRenewal(ws, k.channels)
	jobs.RegisterMetrics(ws, k.posts, w.Calm)
	jobs.RegisterFollowUp(ws, k.posts)
	jobs.RegisterWebhooks(ws, k.events, k.db)
	jobs.RegisterMedia(ws, k.db, k.media)
	jobs.RegisterIdempotency(ws, k.db)
	jobs.RegisterLedger(ws, &ledger.Service{Store: k.db.Ledger(), Now: time.Now})
	jobs.RegisterStuck(ws, k.db)
	jobs.RegisterRevalidation(ws, newLookout(k, pluginsOf{k.plugins}))
	periodic := slices.Concat(jobs.PeriodicIdentity(), jobs.PeriodicWebhooks(), jobs.PeriodicIdempotency(), jobs.PeriodicLedger(),
		[]*river.PeriodicJob{jobs.RenewalSchedule(), jobs.PeriodicMedia(), jobs.PeriodicDomains(), jobs.PeriodicExports(), jobs.PeriodicErasures(), jobs.PeriodicStuck(), jobs.PeriodicRevalidation()})
	return k.db.Jobs(&river.Config{
		Queues:        map[string]river.QueueConfig{river.QueueDefault: {MaxWorkers: 50}, jobs.QueueLater: {MaxWorkers: 4}},
		FetchCooldown: 20 * time.Millisecond, // River's default of 100 ms is most of a job's latency

		RescueStuckJobsAfter: jobs.RescueAfter,

		Workers:      ws,
		Middleware:   []rivertype.Middleware{jobs.Watch(k.metrics.Job), jobs.HoldSuspended(k.tenants), jobs.Endings(k.db)},
		ErrorHandler: jobs.Report(k.log),
		PeriodicJobs: periodic,
		Logger:       slog.New(quiet{k.log.Handler()}),
	})
}

// quiet leaves out River's chatter.
type quiet struct{ slog.Handler }

// Enabled implements slog.Handler.
func (q quiet) Enabled(ctx context.Context, l slog.Level) bool {
	return l >= slog.LevelWarn && q.Handler.Enabled(ctx, l)
}
