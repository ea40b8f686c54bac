package exports

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

const (
	// leaseFor is how long a worker may be silent before another follows it.
	leaseFor = 2 * time.Minute
	// sayEvery is how often a worker says how far it is.
	sayEvery = 5 * time.Second
	// giveBack bounds what must happen even though the work was stopped.
	giveBack = 10 * time.Second
	// maxArchive is the most that one archive may hold.
	maxArchive = 1 << 40
	// maxTries is how often an archive is begun.
	maxTries = 5
	// sweepAtOnce bounds one look at what was left behind.
	sweepAtOnce = 100
)

// Run makes the archive of an export. One that is over is no error. While
// somebody else is at it, it returns fault.RateLimited: to look again later.
func (s *Service) Run(ctx context.Context, tenant tenants.ID, name ID) error {
	e, err := s.store.Lease(ctx, tenant, name, leaseFor)
	switch {
	case fault.Is(err, fault.Conflict):
		return fault.New(fault.RateLimited, "export.running", "Somebody is at it.").After(leaseFor)
	case err != nil || e.State != Running:
		return err
	}
	for n := 1; n < e.Attempt; n++ { // what an attempt that died may have left
		if err := s.blobs.Delete(ctx, key(tenant, name, n)); err != nil {
			return err
		}
	}
	if e.Attempt > maxTries {
		e.State, e.FinishedAt = Failed, s.now()
		return s.store.Finish(ctx, tenant, e, audit.Of(string(tenants.System), "export.fail", string(name)))
	}
	r := &run{Service: s, tenant: tenant, e: e}
	if err := r.write(ctx); err != nil {
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), giveBack)
		defer cancel()
		return errors.Join(err, s.store.Progress(back, tenant, e, 0)) // the next try need not wait
	}
	e.State, e.Stage, e.FinishedAt, e.ExpiresAt = Ready, "", s.now(), s.now().Add(Keep)
	err = s.store.Finish(ctx, tenant, e, audit.Of(string(tenants.System), "export.finish", string(name), "sha256", e.SHA256))
	if err != nil { // somebody else is at it: this archive is nobody's
		err = errors.Join(err, s.blobs.Delete(context.WithoutCancel(ctx), key(tenant, name, e.Attempt)))
	}
	return err
}

// run is one attempt.
type run struct {
	*Service
	tenant tenants.ID
	e      *Export
	whole  *counted // the archive, on its way into the store
	said   time.Time
}

// write streams the archive into the store, through a pipe: what is slow there
// slows down what is read here.
func (r *run) write(ctx context.Context) error {
	kinds, err := r.store.Kinds(ctx)
	if err != nil {
		return err
	}
	r.e.Done, r.e.Rows, r.e.Bytes, r.e.Total = 0, 0, 0, len(r.e.Covers)*(len(kinds)+1)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	in, out := io.Pipe()
	r.whole = &counted{w: out, sum: sha256.New()}
	wrote := make(chan error, 1)
	go func() {
		w := &writer{zip: zip.NewWriter(r.whole), run: r, manifest: Manifest{Format: 1, Export: r.e.ID, CreatedAt: r.e.CreatedAt, Tenants: r.e.Covers}}
		err := w.all(ctx, kinds)
		_ = out.CloseWithError(err) // nil is the end
		wrote <- err
	}()
	put := storage.PutOptions{Limit: maxArchive, MIME: "application/zip"}
	_, err = r.blobs.Put(ctx, key(r.tenant, r.e.ID, r.e.Attempt), in, put)
	_ = in.CloseWithError(errors.Join(err, io.ErrClosedPipe)) // a writer that is still at it ends
	cancel()
	if werr := <-wrote; err == nil {
		err = werr
	}
	r.e.Bytes, r.e.SHA256 = r.whole.n, hex.EncodeToString(r.whole.sum.Sum(nil))
	return err
}

// entered notes in the book of a tenant below that it is read.
func (r *run) entered(ctx context.Context, t tenants.ID) error {
	if t == r.tenant {
		return nil
	}
	return r.store.Note(ctx, t, audit.Of(r.e.RequestedBy, "export.begin", string(r.e.ID), "from", string(r.tenant)))
}

// at begins the next part.
func (r *run) at(ctx context.Context, stage string) error {
	r.e.Stage = stage
	err := r.say(ctx)
	r.e.Done++
	return err
}

// say says how far it is, now and then, and so keeps the lease.
func (r *run) say(ctx context.Context) error {
	if now := r.now(); now.Sub(r.said) >= sayEvery {
		r.said, r.e.Bytes = now, r.whole.n
		return r.store.Progress(ctx, r.tenant, r.e, leaseFor)
	}
	return ctx.Err()
}

// copy writes one blob. One that was deleted meanwhile is left empty.
func (r *run) copy(ctx context.Context, to io.Writer, t tenants.ID, file string) error {
	from, err := r.blobs.Open(ctx, storage.Key{Tenant: string(t), Name: file}, 0, -1)
	if fault.Is(err, fault.NotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { _ = from.Close() }() // it was only read
	for {
		_, err := io.CopyN(to, from, 1<<20)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err = errors.Join(err, r.say(ctx)); err != nil {
			return err
		}
	}
}

// Sweep has exports that a crash left gone on with, and removes archives that
// are past their time, in every tenant.
func (s *Service) Sweep(ctx context.Context) error {
	left, err := s.store.Left(ctx, sweepAtOnce)
	if err != nil {
		return err
	}
	var errs []error
	for _, r := range left {
		errs = append(errs, s.store.Requeue(ctx, r.Tenant, r.ID))
	}
	old, err := s.store.Outdated(ctx, sweepAtOnce)
	errs = append(errs, err)
	for _, r := range old {
		errs = append(errs, s.expire(ctx, r))
	}
	return errors.Join(errs...)
}

func (s *Service) expire(ctx context.Context, r Ref) error {
	e, err := s.store.Export(ctx, r.Tenant, r.ID)
	if err != nil {
		return err
	}
	if err := s.blobs.Delete(ctx, key(r.Tenant, r.ID, e.Attempt)); err != nil {
		return err
	}
	return s.store.Expire(ctx, r.Tenant, r.ID)
}
