package imaging_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/png"
	"io"
	"testing"

	"github.com/carillonhq/carillon/adapters/imaging"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
)

// bomb is a small file that unpacks to w × h pixels of nothing.
func bomb(t *testing.T, w, h uint32, colorType byte, pixels int64) []byte {
	t.Helper()
	header := binary.BigEndian.AppendUint32(nil, w)
	header = binary.BigEndian.AppendUint32(header, h)
	header = append(header, 8, colorType, 0, 0, 0)
	var data bytes.Buffer
	z, err := zlib.NewWriterLevel(&data, zlib.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(z, zeros{}, pixels); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	file := []byte("\x89PNG\r\n\x1a\n")
	for _, c := range []struct {
		name string
		data []byte
	}{{"IHDR", header}, {"IDAT", data.Bytes()}, {"IEND", nil}} {
		file = binary.BigEndian.AppendUint32(file, uint32(len(c.data)))
		chunk := append([]byte(c.name), c.data...)
		file = append(file, chunk...)
		file = binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(chunk))
	}
	return file
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// frames is a GIF whose frames promise w × h pixels each and hold none.
func frames(t *testing.T, n, w, h int) []byte {
	t.Helper()
	var out bytes.Buffer
	tiny := image.NewPaletted(image.Rect(0, 0, 1, 1), color.Palette{color.Black, color.White})
	if err := gif.Encode(&out, tiny, nil); err != nil {
		t.Fatal(err)
	}
	file := out.Bytes()
	binary.LittleEndian.PutUint16(file[6:], uint16(w))
	binary.LittleEndian.PutUint16(file[8:], uint16(h))
	frame := []byte{0x2C, 0, 0, 0, 0, byte(w), byte(w >> 8), byte(h), byte(h >> 8), 0, 2, 2, 0x4C, 0x01, 0}
	body := bytes.Repeat(frame, n)
	head := 13
	if file[10]&0x80 != 0 {
		head += 3 << (file[10]&7 + 1)
	}
	return append(append(file[:head:head], body...), 0x3B)
}

func TestHostileFilesAreRefused(t *testing.T) {
	whole := photo(t)
	animatedWebP := append([]byte("RIFF\x1e\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x02\x00\x00\x00"), make([]byte, 14)...)
	p := processor(t, "clean", nil)
	for name, tc := range map[string]struct {
		file   []byte
		reason string
	}{
		"nothing":                        {nil, "media.unsupported"},
		"a page":                         {[]byte("<!doctype html><html><body>hello</body></html>"), "media.unsupported"},
		"an SVG":                         {[]byte(`<svg xmlns="http://www.w3.org/2000/svg"><script>1</script></svg>`), "media.unsupported"},
		"an XML with an SVG":             {[]byte(`<?xml version="1.0"?><svg/>`), "media.unsupported"},
		"a PDF":                          {[]byte("%PDF-1.7 and so on and so on"), "media.unsupported"},
		"a BMP":                          {append([]byte("BM"), make([]byte, 60)...), "media.unsupported"},
		"a TIFF":                         {append([]byte("II*\x00"), make([]byte, 60)...), "media.unsupported"},
		"a WAV":                          {[]byte("RIFF\x00\x00\x00\x00WAVEfmt and so on"), "media.unsupported"},
		"only a signature":               {[]byte("\x89PNG\r\n\x1a\n"), "media.unreadable"},
		"a PNG of 60000 × 60000":         {bomb(t, 60000, 60000, 2, 10), "media.too_many_pixels"},
		"a PNG one pixel too wide":       {bomb(t, media.MaxSide+1, 1, 0, 10), "media.too_many_pixels"},
		"a PNG of 51 megapixels":         {bomb(t, 8500, 6000, 0, 10), "media.too_many_pixels"},
		"a PNG without its pixels":       {bomb(t, 100, 100, 0, 10), "media.unreadable"},
		"half a photograph":              {whole[:len(whole)/2], "media.unreadable"},
		"the header of a photograph":     {whole[:300], "media.unreadable"},
		"a GIF with a frame outside":     {bytes.Replace(frames(t, 1, 10, 10), []byte{0x2C, 0, 0}, []byte{0x2C, 9, 9}, 1), "media.unreadable"},
		"a GIF with too many frames":     {frames(t, 1001, 1, 1), "media.too_many_frames"},
		"a GIF with too large frames":    {frames(t, 900, 7000, 7000), "media.too_many_frames"},
		"a GIF that ends early":          {frames(t, 3, 10, 10)[:40], "media.unreadable"},
		"an animated WebP":               {animatedWebP, "media.animated"},
		"a WebP of 16384 × 16384":        {bytes.Replace(animatedWebP, make([]byte, 6), []byte{0xFF, 0x3F, 0, 0xFF, 0x3F, 0}, 1), "media.too_many_pixels"},
		"a picture with too much behind": {append(bomb(t, 1, 1, 0, 2), make([]byte, media.MaxBytes)...), "media.too_large"},
	} {
		t.Run(name, func(t *testing.T) {
			picture, err := p.Clean(t.Context(), bytes.NewReader(tc.file))
			if err == nil {
				_ = picture.Close()
			}
			if f := fault.Of(err); f == nil || f.Code != fault.Invalid || f.Reason != tc.reason || f.Field != "/file" {
				t.Errorf("err = %v, want %s on /file", err, tc.reason)
			}
		})
	}
}

func TestTheLargestPictureFits(t *testing.T) {
	const side = 7000
	picture, copied := clean(t, processor(t, "clean", nil), bomb(t, side, side, 0, side*(side+1)))
	if picture.Width != side || picture.Height != side || len(copied) == 0 {
		t.Errorf("got %d × %d in %d bytes", picture.Width, picture.Height, len(copied))
	}
}

func TestMemoryIsCapped(t *testing.T) {
	small := func(l *imaging.Limits) { l.Memory = 180 << 20 }
	const side = 7000 // 187 MiB as RGBA
	_, err := processor(t, "clean", small).Clean(t.Context(), bytes.NewReader(bomb(t, side, side, 6, side*(4*side+1))))
	if f := fault.Of(err); f == nil || f.Reason != "media.too_complex" {
		t.Errorf("err = %v, want media.too_complex", err)
	}
	if instrumented {
		return
	}
	clean(t, processor(t, "clean", small), encoded(t, png.Encode, image.NewGray(image.Rect(0, 0, 100, 100))))
}
