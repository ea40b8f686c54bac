package imaging

import (
	"bufio"
	"encoding/binary"
	"errors"
	"image"
	"image/gif"
	"image/jpeg"
	"io"
	"strings"

	"golang.org/x/image/webp"

	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
)

// magicSize is how many bytes tell the four formats apart.
const magicSize = 16

// headerSize is how far into a file its dimensions may be. Phones put a
// preview and a depth map before them.
const headerSize = 2 << 20

const (
	mimePNG  = "image/png"
	mimeJPEG = "image/jpeg"
	mimeGIF  = "image/gif"
	mimeWebP = "image/webp"
)

// sniff returns the media type that head begins, or "". Only content counts.
func sniff(head []byte) string {
	s := string(head)
	switch {
	case strings.HasPrefix(s, "\x89PNG\r\n\x1a\n"):
		return mimePNG
	case strings.HasPrefix(s, "\xff\xd8\xff"):
		return mimeJPEG
	case strings.HasPrefix(s, "GIF87a"), strings.HasPrefix(s, "GIF89a"):
		return mimeGIF
	case len(s) >= 12 && s[:4] == "RIFF" && s[8:12] == "WEBP":
		return mimeWebP
	}
	return ""
}

// inspect reads a header from the start of a file, decodes nothing and refuses
// what is larger than the limits. It returns faults on "/file".
func inspect(r io.ReaderAt) (mime string, cfg image.Config, err error) {
	header := bufio.NewReader(io.NewSectionReader(r, 0, headerSize))
	magic, err := header.Peek(magicSize)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", cfg, errScratch(err)
	}
	switch mime = sniff(magic); mime {
	case mimePNG:
		cfg, err = sizeOfPNG(header)
	case mimeJPEG:
		cfg, err = jpeg.DecodeConfig(header)
	case mimeGIF:
		cfg, err = gif.DecodeConfig(header)
	case mimeWebP:
		cfg, err = webp.DecodeConfig(header)
	default:
		return "", cfg, media.ErrUnsupported()
	}
	if err != nil || cfg.Width <= 0 || cfg.Height <= 0 {
		return "", cfg, errUnreadable(err)
	}
	return mime, cfg, fits(cfg)
}

// sizeOfPNG reads the first chunk, which says it. The library would go on to the
// palette, past any number of chunks before it.
func sizeOfPNG(header *bufio.Reader) (cfg image.Config, err error) {
	head, err := header.Peek(24)
	if err != nil {
		return cfg, err
	}
	if string(head[12:16]) != "IHDR" {
		return cfg, errors.New("PNG without a header")
	}
	return image.Config{Width: int(binary.BigEndian.Uint32(head[16:])), Height: int(binary.BigEndian.Uint32(head[20:]))}, nil
}

func fits(cfg image.Config) error {
	switch {
	case cfg.Width > media.MaxSide || cfg.Height > media.MaxSide:
		return fault.New(fault.Invalid, "media.too_many_pixels", "A picture may be at most %d pixels wide and high.", media.MaxSide).On("/file")
	case cfg.Width*cfg.Height > media.MaxPixels:
		return fault.New(fault.Invalid, "media.too_many_pixels", "A picture may have at most %d megapixels.", media.MaxPixels/1_000_000).On("/file")
	}
	return nil
}
