package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/carillonhq/carillon/adapters/blob"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/storage"
	"github.com/carillonhq/carillon/tenants"
)

// blobsIn is where files go in a folder that somebody chose for what is to
// last. The system's folder for temporary files is no such place.
func blobsIn(state string) string {
	if state == "" {
		return ""
	}
	return "file://" + state + "/blobs"
}

// openBlobs opens the place where files are kept.
func (c config) openBlobs(ctx context.Context) (*blob.Store, error) {
	if c.BlobURL == "" {
		return nil, errors.New("CARILLON_BLOB_URL is not set: uploads need a place that lasts, such as file:///var/lib/carillon or s3://bucket, and that every process reaches")
	}
	blobs, err := blob.Open(ctx, c.BlobURL)
	if err != nil {
		return nil, fmt.Errorf("CARILLON_BLOB_URL: %w", err)
	}
	return blobs, nil
}

// blobPlace is BlobURL without what only its store has to know.
func (c config) blobPlace() string {
	place, _, _ := strings.Cut(c.BlobURL, "?")
	return place
}

// checkMedia keeps a file, reads it and takes it away again, in the tenant of
// the installation itself.
func (k *kernel) checkMedia(ctx context.Context) (said string, err error) {
	root, err := k.db.Registry().Operator(ctx)
	if fault.Is(err, fault.NotFound) {
		root, err = tenants.NewID(), nil // not set up yet
	}
	if err != nil {
		return "", err
	}
	return k.cfg.blobPlace(), probe(ctx, k.blobs, storage.Key{Tenant: string(root), Name: "doctor/" + strings.ToLower(rand.Text())})
}

func probe(ctx context.Context, blobs storage.Blobs, key storage.Key) (err error) {
	const what = "a file of carillon doctor"
	if _, err = blobs.Put(ctx, key, strings.NewReader(what), storage.PutOptions{Limit: int64(len(what)), MIME: "text/plain"}); err != nil {
		return fmt.Errorf("a file cannot be kept: %w", err)
	}
	defer func() {
		if gone := blobs.Delete(ctx, key); gone != nil && err == nil {
			err = fmt.Errorf("a file cannot be taken away: %w", gone)
		}
	}()
	r, err := blobs.Open(ctx, key, 0, -1)
	if err != nil {
		return fmt.Errorf("a file cannot be read: %w", err)
	}
	got, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err == nil && string(got) != what {
		err = errors.New("a file is not what was kept")
	}
	return err
}
