// Package imaging makes clean copies of uploaded pictures.
//
// A decoder is the largest target an upload can reach, so none runs in the
// serving process. That process reads the header and nothing else; a child
// with little memory, little time, no environment and nothing to write to
// decodes the picture and encodes its pixels anew. What a file carries besides
// pixels — position, camera, comments, an archive behind the last byte — does
// not survive that, because nobody copies it. Colour profiles go too: pixels
// are taken as sRGB. Animated GIFs stay animated; a WebP becomes a JPEG if it
// is lossy and opaque, else a PNG.
//
// Start with Processor.Clean; child.go is what the child does.
package imaging

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"time"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
)

// Limits are what one child may use, and how many there may be.
type Limits struct {
	Timeout    time.Duration // wall clock of one picture
	CPU        time.Duration // rounded up to seconds
	Memory     int64         // bytes of heap and data; see RLIMIT_DATA
	Children   int           // at the same time
	Wait       time.Duration // longest wait for a child to be free
	ScratchDir string        // for copies in progress, unlinked at once; empty: the system's
}

// DefaultLimits let a 50 megapixel photograph through on a small machine.
func DefaultLimits() Limits {
	return Limits{Timeout: 40 * time.Second, CPU: 30 * time.Second, Memory: 1 << 30, Children: 2, Wait: 20 * time.Second}
}

// Processor cleans pictures. It is safe for concurrent use.
type Processor struct {
	command []string
	limits  Limits
	slots   chan struct{}
}

var _ media.Images = (*Processor)(nil)

// New returns a Processor whose children are started with command, such as the
// program itself with the argument that leads to Child.
func New(command []string, limits Limits) *Processor {
	return &Processor{command: command, limits: limits, slots: make(chan struct{}, limits.Children)}
}

// Clean implements media.Images. The upload is on disk before a child is
// taken, so a slow sender holds none up.
func (p *Processor) Clean(ctx context.Context, r io.Reader) (*media.Picture, error) {
	in, err := p.spool(ctx, r)
	if err != nil {
		return nil, err
	}
	defer in.Close() // it was only read
	if _, _, err := inspect(in); err != nil {
		return nil, err
	}
	release, err := p.slot(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	return p.convert(ctx, in)
}

// spool copies an upload to disk, and stops at the first bytes of one that is
// no picture and at the first byte too many.
func (p *Processor) spool(ctx context.Context, r io.Reader) (*os.File, error) {
	head := make([]byte, magicSize)
	n, err := io.ReadFull(r, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, err
	}
	if sniff(head[:n]) == "" {
		return nil, media.ErrUnsupported()
	}
	f, err := p.scratch()
	if err != nil {
		return nil, err
	}
	in := &source{ctx: ctx, r: io.MultiReader(bytes.NewReader(head[:n]), r)}
	size, err := io.Copy(f, io.LimitReader(in, media.MaxBytes+1))
	switch {
	case in.err != nil:
		err = in.err
	case err != nil:
		err = errScratch(err)
	case size > media.MaxBytes:
		err = errTooLarge()
	default:
		return f, nil
	}
	return nil, errors.Join(err, f.Close())
}

// source tells a failure to read from a failure to write, and notices that the
// caller has gone.
type source struct {
	ctx context.Context //nolint:containedctx // lives as long as one call
	r   io.Reader
	err error
}

func (s *source) Read(b []byte) (int, error) {
	if s.err = s.ctx.Err(); s.err != nil {
		return 0, s.err
	}
	n, err := s.r.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		s.err = err
	}
	return n, err
}

// scratch returns a file without a name: it is gone when it is closed, or when
// the process dies.
func (p *Processor) scratch() (*os.File, error) {
	f, err := os.CreateTemp(p.limits.ScratchDir, "carillon-media-")
	if err != nil {
		return nil, errScratch(err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errScratch(errors.Join(err, f.Close()))
	}
	return f, nil
}

func (p *Processor) slot(ctx context.Context) (release func(), err error) {
	wait := time.NewTimer(p.limits.Wait)
	defer wait.Stop()
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-wait.C:
		return nil, fault.New(fault.Unavailable, "media.busy", "Too many pictures at once. Please try again.").After(p.limits.Wait)
	}
}

// convert lets a child make the copy and believes nothing it says: the copy is
// measured like an upload.
func (p *Processor) convert(ctx context.Context, in *os.File) (*media.Picture, error) {
	out, err := p.scratch()
	if err != nil {
		return nil, err
	}
	sum := sha256.New()
	size, err := p.run(ctx, in, io.MultiWriter(out, sum))
	if err == nil {
		var picture *media.Picture
		if picture, err = measure(out, size, sum); err == nil {
			return picture, nil
		}
	}
	return nil, errors.Join(err, out.Close())
}

func measure(out *os.File, size int64, sum hash.Hash) (*media.Picture, error) {
	mime, cfg, err := inspect(out)
	if err != nil {
		return nil, fault.New(fault.Unavailable, "media.worker_failed", "The picture could not be processed. Please try again.").Because(err)
	}
	if _, err := out.Seek(0, io.SeekStart); err != nil {
		return nil, errScratch(err)
	}
	return &media.Picture{
		ReadCloser: out, MIME: mime, Bytes: size, SHA256: hex.EncodeToString(sum.Sum(nil)),
		Width: cfg.Width, Height: cfg.Height,
	}, nil
}

func errTooLarge() error {
	return fault.New(fault.Invalid, "media.too_large", "A picture may have at most %d MiB.", media.MaxBytes>>20).On("/file")
}

func errUnreadable(cause error) error {
	return fault.New(fault.Invalid, "media.unreadable", "This picture cannot be read. It may be damaged.").On("/file").Because(cause)
}

func errTooComplex(cause error) error {
	return fault.New(fault.Invalid, "media.too_complex", "This picture takes too much to read. Save it again in a smaller size.").On("/file").Because(cause)
}

func errScratch(cause error) error {
	return fault.New(fault.Unavailable, "media.no_room", "There is no room for this file right now. Please try again.").Because(fmt.Errorf("scratch file: %w", cause))
}
