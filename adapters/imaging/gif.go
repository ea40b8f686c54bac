package imaging

import (
	"encoding/binary"
	"errors"

	"github.com/carillonhq/carillon/core/media"
)

// Limits of an animation: frames, and pixels of all frames together, a byte
// each once unpacked.
const (
	maxFrames      = 1000
	maxFramePixels = 2 * media.MaxPixels
)

var errGIF = errors.New("damaged GIF")

// scanGIF walks the blocks of a GIF (GIF89a, appendix B) without unpacking one
// and returns errFrames if its frames would take more than an animation may.
func scanGIF(file []byte) error {
	b := blocks{rest: file}
	screen := b.take(13) // signature, screen descriptor
	if screen == nil {
		return errGIF
	}
	b.palette(screen[10])
	frames, pixels := 0, 0
	for {
		switch kind := b.take(1); {
		case kind == nil:
			return errGIF
		case kind[0] == 0x3B: // trailer
			return nil
		case kind[0] == 0x21: // extension
			b.take(1)
			b.skip()
		case kind[0] == 0x2C: // image
			frames++
			pixels += b.image()
		default:
			return errGIF
		}
		if frames > maxFrames || pixels > maxFramePixels {
			return errFrames
		}
	}
}

// blocks reads a GIF from the front. Past the end it returns nil.
type blocks struct{ rest []byte }

func (b *blocks) take(n int) []byte {
	if len(b.rest) < n {
		b.rest = nil
		return nil
	}
	out := b.rest[:n]
	b.rest = b.rest[n:]
	return out
}

// palette skips the colours that a descriptor's flags announce.
func (b *blocks) palette(flags byte) {
	if flags&0x80 != 0 {
		b.take(3 << (flags&7 + 1))
	}
}

// skip passes a chain of sub-blocks.
func (b *blocks) skip() {
	for {
		size := b.take(1)
		if size == nil || size[0] == 0 {
			return
		}
		b.take(int(size[0]))
	}
}

// image passes one frame and returns its pixels.
func (b *blocks) image() int {
	d := b.take(9)
	if d == nil {
		return 0
	}
	b.palette(d[8])
	b.take(1) // code size
	b.skip()
	return int(binary.LittleEndian.Uint16(d[4:])) * int(binary.LittleEndian.Uint16(d[6:]))
}
