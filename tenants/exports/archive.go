package exports

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"hash"
	"io"
	"time"

	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
)

const readme = `This is all that a tenant of Carillon owns.

One folder per tenant, named after it. In each:

  <kind>.jsonl   things of that kind, one JSON object a line, as they are kept
  media/         the files that people uploaded; media.jsonl says what each is
  brand/         the pictures of its brand, if it has any

manifest.json names every .jsonl file with its number of lines, its size and its
SHA-256. The SHA-256 of each upload is in media.jsonl.

What is secret is not here: tokens and credentials of channels, secrets of
webhooks and apps, passwords, keys. The audit is here with its chain:
audit_entries, audit_links, audit_heads.
`

// A Manifest is the last file of an archive.
type Manifest struct {
	Format    int            `json:"format"`
	Export    ID             `json:"export"`
	CreatedAt time.Time      `json:"created_at"`
	Tenants   []tenants.ID   `json:"tenants"`
	Files     []ManifestFile `json:"files"`
	Media     int            `json:"media"` // how many uploads there are
}

// A ManifestFile is one file of JSON lines.
type ManifestFile struct {
	Name   string `json:"name"`
	Lines  int64  `json:"lines"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// writer puts one archive together. It holds a page of rows and, for the zip's
// directory, some hundred bytes for each file.
type writer struct {
	zip      *zip.Writer
	run      *run
	manifest Manifest
}

// pageSize is how many things are in memory at once.
const pageSize = 200

func (w *writer) all(ctx context.Context, kinds []string) error {
	if err := w.text("README.txt", []byte(readme)); err != nil {
		return err
	}
	for _, t := range w.run.e.Covers {
		if err := w.run.entered(ctx, t); err != nil {
			return err
		}
		for _, kind := range kinds {
			if err := w.run.at(ctx, kind); err != nil {
				return err
			}
			if err := w.kind(ctx, t, kind); err != nil {
				return err
			}
		}
		if err := w.run.at(ctx, "files"); err != nil {
			return err
		}
		if err := w.files(ctx, t); err != nil {
			return err
		}
	}
	raw, err := json.MarshalIndent(w.manifest, "", "  ")
	if err != nil {
		return err
	}
	if err := w.text("manifest.json", raw); err != nil {
		return err
	}
	return w.zip.Close()
}

func (w *writer) text(name string, content []byte) error {
	f, err := w.file(name, zip.Deflate)
	if err == nil {
		_, err = f.Write(content)
	}
	return err
}

func (w *writer) file(name string, method uint16) (io.Writer, error) {
	return w.zip.CreateHeader(&zip.FileHeader{Name: name, Method: method, Modified: w.manifest.CreatedAt})
}

// kind writes a file of JSON lines.
func (w *writer) kind(ctx context.Context, t tenants.ID, kind string) error {
	name := string(t) + "/" + kind + ".jsonl"
	f, err := w.file(name, zip.Deflate)
	if err != nil {
		return err
	}
	lines := &counted{w: f, sum: sha256.New()}
	n, err := w.each(ctx, t, kind, func(thing json.RawMessage) error {
		w.run.e.Rows++
		_, err := lines.Write(append(thing, '\n'))
		return err
	})
	w.manifest.Files = append(w.manifest.Files, ManifestFile{name, n, lines.n, hex.EncodeToString(lines.sum.Sum(nil))})
	return err
}

func (w *writer) each(ctx context.Context, t tenants.ID, kind string, do func(json.RawMessage) error) (n int64, err error) {
	for after := []string(nil); ; {
		things, next, err := w.run.store.Page(ctx, t, kind, after, pageSize)
		if err != nil {
			return n, err
		}
		for _, thing := range things {
			if err := do(thing); err != nil {
				return n, err
			}
			n++
		}
		if err := w.run.say(ctx); err != nil || next == nil {
			return n, err
		}
		after = next
	}
}

// upload is what matters here of a thing of kind "media".
type upload struct {
	ID    string `json:"id"`
	State string `json:"state"`
	MIME  string `json:"mime"`
}

// extensions of what can be uploaded.
var extensions = map[string]string{
	"image/png": ".png", "image/jpeg": ".jpg", "image/webp": ".webp", "image/gif": ".gif", "video/mp4": ".mp4", "audio/mpeg": ".mp3",
}

// uploads is where core/media keeps files, which nothing here may import.
const uploads = "media/"

// files writes what people uploaded, as it is.
func (w *writer) files(ctx context.Context, t tenants.ID) error {
	_, err := w.each(ctx, t, "media", func(thing json.RawMessage) error {
		var u upload
		if err := json.Unmarshal(thing, &u); err != nil || u.State != "ready" {
			return err
		}
		f, err := w.file(string(t)+"/media/"+u.ID+extensions[u.MIME], zip.Store)
		if err != nil {
			return err
		}
		w.manifest.Media++
		return w.run.copy(ctx, f, t, uploads+u.ID)
	})
	if err != nil {
		return err
	}
	_, err = w.each(ctx, t, "brands", func(thing json.RawMessage) error {
		var brand struct{ Logo, Favicon *upload }
		if err := json.Unmarshal(thing, &brand); err != nil {
			return err
		}
		for _, p := range []*upload{brand.Logo, brand.Favicon} {
			if p == nil {
				continue
			}
			f, err := w.file(string(t)+"/brand/"+p.ID+extensions[p.MIME], zip.Store)
			if err == nil {
				err = w.run.copy(ctx, f, t, branding.Folder+p.ID)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	return err
}

// counted counts and digests what goes through.
type counted struct {
	w   io.Writer
	n   int64
	sum hash.Hash
}

func (c *counted) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	_, _ = c.sum.Write(p[:n]) // never fails
	return n, err
}
