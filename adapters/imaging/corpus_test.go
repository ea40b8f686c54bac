package imaging_test

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/imaging"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
)

// tell is what no copy may hold: scripts, places, archives, whatever was beside
// the pixels.
var tell = []string{"<script", "javascript:", "<?php", "<svg", "GPSLatitude", "4151.05N", "PK\x03\x04", "secret words", "ICC_PROFILE", "iCCP", "acsp", "Exif", "tEXt", "zTXt", "iTXt", "XMP", "NETSCAPE3"}

const payload = "<script>alert('secret words')</script><?php system($_GET[0]); ?>PK\x03\x04"

func tiny(side int) *image.Paletted {
	return image.NewPaletted(image.Rect(0, 0, side, side), color.Palette{color.Black, color.White})
}

func chunk(name string, data []byte) []byte {
	out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	body := append([]byte(name), data...)
	return binary.BigEndian.AppendUint32(append(out, body...), crc32.ChecksumIEEE(body))
}

// withChunks is a PNG with more chunks after its header.
func withChunks(t *testing.T, chunks ...[]byte) []byte {
	file := encoded(t, png.Encode, tiny(4))
	const head = 8 + 25 // signature, IHDR
	return append(append(bytes.Clone(file[:head]), bytes.Join(chunks, nil)...), file[head:]...)
}

func deflated(t *testing.T, n int64) []byte {
	var out bytes.Buffer
	z := zlib.NewWriter(&out)
	if _, err := io.CopyN(z, zeros{}, n); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// segment is one of a JPEG.
func segment(marker byte, data []byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xFF, marker}, uint16(len(data)+2)), data...)
}

// withSegments is a JPEG with more segments after its start.
func withSegments(t *testing.T, segments ...[]byte) []byte {
	file := encoded(t, func(w io.Writer, m image.Image) error { return jpeg.Encode(w, m, nil) }, image.NewGray(image.Rect(0, 0, 16, 16)))
	return append(append(bytes.Clone(file[:2]), bytes.Join(segments, nil)...), file[2:]...)
}

// endlessScans is a progressive JPEG with one small scan after another, each of
// which makes a decoder go through all of the picture again.
func endlessScans(t *testing.T, side uint16, scans int) []byte {
	file := withSegments(t)
	table := file[2:bytes.Index(file, []byte{0xFF, 0xC0})] // quantisation
	huffman := file[bytes.Index(file, []byte{0xFF, 0xC4}):bytes.Index(file, []byte{0xFF, 0xDA})]
	frame := []byte{8, byte(side >> 8), byte(side), byte(side >> 8), byte(side), 1, 1, 0x11, 0}
	out := append([]byte{0xFF, 0xD8}, table...)
	out = append(append(out, segment(0xC2, frame)...), huffman...)
	out = append(out, segment(0xDA, []byte{1, 1, 0, 0, 0, 0})...)
	for range scans {
		out = append(out, segment(0xDA, []byte{1, 1, 0, 1, 63, 0})...)
		out = append(out, 0)
	}
	return append(out, 0xFF, 0xD9)
}

func riff(chunks ...string) []byte {
	body := "WEBP" + strings.Join(chunks, "")
	return append(append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(len(body)))...), body...)
}

func webpChunk(name string, size uint32, data string) string {
	return name + string(binary.LittleEndian.AppendUint32(nil, size)) + data
}

func hostileFiles(t *testing.T) map[string][]byte {
	small, exif := encoded(t, png.Encode, tiny(4)), "Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x88\x25\x00\x04\x00\x00\x00\x01\x00\x00\x00\x1aGPSLatitude 4151.05N"
	anim := encoded(t, func(w io.Writer, m image.Image) error { return gif.Encode(w, m, nil) }, tiny(4))
	raise := func(file []byte, at int, with ...byte) []byte {
		out := bytes.Clone(file)
		copy(out[at:], with)
		return out
	}
	lie := bomb(t, 50, 50, 0, 51*50)
	return map[string][]byte{
		"PNG with more pixels than it says":  bomb(t, 10, 10, 0, 200<<20),
		"PNG with fewer":                     bomb(t, 5000, 5000, 6, 100),
		"PNG at the limit":                   bomb(t, 7000, 7000, 6, 7000),
		"PNG without area":                   bomb(t, 0, 0, 0, 1),
		"PNG with a chunk of 2 GiB":          append(bytes.Clone(small[:33]), "\x7f\xff\xff\xffIDATx"...),
		"PNG with a wrong checksum":          raise(lie, len(lie)-1, 0),
		"PNG with a header that lies":        raise(lie, 19, 200),
		"PNG with a text bomb":               withChunks(t, chunk("zTXt", append([]byte("Comment\x00\x00"), deflated(t, 300<<20)...))),
		"PNG with a profile bomb":            withChunks(t, chunk("iCCP", append([]byte("icc\x00\x00"), deflated(t, 300<<20)...))),
		"PNG with a script in a comment":     withChunks(t, chunk("tEXt", []byte("Comment\x00"+payload)), chunk("eXIf", []byte(exif))),
		"PNG with a hundred thousand chunks": withChunks(t, bytes.Repeat(chunk("tEXt", []byte("a\x00b")), 100_000)),
		"PNG and a page behind it":           append(bytes.Clone(small), payload...),
		"PNG and a GIF behind it":            append(bytes.Clone(small), anim...),
		"PNG without an end":                 small[:len(small)-12],
		"PNG of a colour type there is not":  bomb(t, 4, 4, 5, 100),
		"APNG":                               withChunks(t, chunk("acTL", []byte{0, 1, 0, 0, 0, 0, 0, 0})),
		"JPEG that says where":               withSegments(t, segment(0xE1, []byte(exif))),
		"JPEG with a profile":                withSegments(t, segment(0xE2, []byte("ICC_PROFILE\x00\x01\x01acsp"+payload))),
		"JPEG with a script":                 withSegments(t, segment(0xFE, []byte(payload)), segment(0xED, []byte("XMP "+payload))),
		"JPEG of 65535 × 65535":              raise(withSegments(t), bytes.Index(withSegments(t), []byte{0xFF, 0xC0})+5, 0xFF, 0xFF, 0xFF, 0xFF),
		"JPEG without height":                raise(withSegments(t), bytes.Index(withSegments(t), []byte{0xFF, 0xC0})+5, 0, 0),
		"JPEG with scans without end":        endlessScans(t, 6000, 5000),
		"JPEG with a segment too long":       append([]byte{0xFF, 0xD8}, 0xFF, 0xE1, 0xFF, 0xFF, 'E'),
		"JPEG with its header far behind":    withSegments(t, bytes.Repeat(segment(0xE3, make([]byte, 60_000)), 60)),
		"JPEG and a script, as GIFAR":        append(withSegments(t), payload...),
		"JPEG of markers alone":              append([]byte{0xFF, 0xD8}, bytes.Repeat([]byte{0xFF}, 1<<20)...),
		"GIF that is a script":               append([]byte("GIF89a/*"), "\x01\x00\x01*/=1;alert('secret words')//"...),
		"GIF with a script in a comment":     append(append(bytes.Clone(anim[:len(anim)-1]), append([]byte{0x21, 0xFE, byte(len(payload))}, payload...)...), 0, 0x3B),
		"GIF and a page behind it":           append(bytes.Clone(anim), payload...),
		"GIF of 65535 × 65535":               raise(anim, 6, 0xFF, 0xFF, 0xFF, 0xFF),
		"GIF with a thousand large frames":   frames(t, 1000, 6000, 6000),
		"GIF with a million frames":          frames(t, 1_000_000, 1, 1),
		"GIF with codes without end":         append(bytes.Clone(anim[:len(anim)-2]), bytes.Repeat(append([]byte{255}, make([]byte, 255)...), 10_000)...),
		"GIF with a block that never ends":   append(bytes.Clone(anim[:len(anim)-1]), 0x21, 0xFF, 0xFF, 1),
		"WebP that says 4 GiB":               append([]byte("RIFF\xff\xff\xff\xffWEBPVP8X\x0a\x00\x00\x00"), make([]byte, 10)...),
		"WebP with a chunk too long":         riff(webpChunk("VP8L", 0xFFFFFFF0, "\x2f\x00\x00\x00\x00")),
		"WebP whose canvas lies":             riff(webpChunk("VP8X", 10, "\x00\x00\x00\x00\x03\x00\x00\x03\x00\x00"), webpChunk("VP8L", 5, "\x2f\xff\x3f\xff\x0f\x00")),
		"WebP of 16383 × 16383":              riff(webpChunk("VP8L", 5, "\x2f\xfe\xbf\xff\x0f\x00")),
		"WebP with a profile and a place":    riff(webpChunk("VP8X", 10, "\x28\x00\x00\x00\x00\x00\x00\x00\x00\x00"), webpChunk("ICCP", 4, "acsp"), webpChunk("EXIF", 4, "GPSL")),
		"WebP without a picture":             riff(webpChunk("VP8X", 10, "\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")),
		"WebP of noise":                      riff(webpChunk("VP8 ", 2000, strings.Repeat("\x9d\x01\x2a\xff", 500))),
		"SVG":                                []byte(`<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>`),
		"SVG with entities":                  []byte(`<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><svg>&b;</svg>`),
		"page called picture":                []byte("<html>" + payload),
		"archive":                            []byte("PK\x03\x04" + strings.Repeat("\x00", 100)),
		"gzip":                               []byte("\x1f\x8b\x08\x00" + strings.Repeat("\x00", 100)),
		"PostScript":                         []byte("%!PS-Adobe-3.0\n(/etc/passwd) (r) file\n"),
		"ImageMagick's own":                  []byte("push graphic-context\nimage over 0,0 0,0 'https://127.0.0.1/x.php?\"|id'\n"),
		"MP4":                                []byte("\x00\x00\x00\x20ftypisom\x00\x00\x02\x00isomiso2avc1mp41"),
		"HEIC":                               []byte("\x00\x00\x00\x18ftypheic\x00\x00\x00\x00mif1heic"),
		"AVIF":                               []byte("\x00\x00\x00\x1cftypavif\x00\x00\x00\x00avifmif1miaf"),
		"icon":                               []byte("\x00\x00\x01\x00\x01\x00\xff\xff\x00\x00\x01\x00\x20\x00\xff\xff\xff\x7f\x16\x00\x00\x00"),
		"JPEG XL":                            []byte("\xff\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
		"bytes that begin like all of them":  []byte("\x89PNGGIF89aRIFF\xff\xd8\xff"),
	}
}

// Each file is refused, with words for whoever sent it, or comes out as pixels
// alone. The serving process takes next to no memory for it, and the child no
// more than it may.
func TestHostileCorpus(t *testing.T) {
	if instrumented {
		t.Log("the workers' memory is not what it is otherwise")
	}
	files := hostileFiles(t)
	if len(files) < 50 {
		t.Errorf("%d files", len(files))
	}
	p := processor(t, "clean", func(l *imaging.Limits) { l.Timeout, l.CPU = 20*time.Second, 10*time.Second })
	for name, file := range files {
		t.Run(name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			picture, err := p.Clean(t.Context(), bytes.NewReader(file))
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > 8<<20 {
				t.Errorf("the serving process allocated %d MiB", took>>20)
			}
			if err != nil {
				if f := fault.Of(err); f.Code != fault.Invalid || f.Field != "/file" || !strings.HasPrefix(f.Reason, "media.") {
					t.Errorf("refused with %v", err)
				}
				return
			}
			copied, err := io.ReadAll(picture)
			if err != nil {
				t.Fatal(err)
			}
			_ = picture.Close()
			for _, word := range tell {
				if bytes.Contains(copied, []byte(word)) {
					t.Errorf("the copy still holds %q", word)
				}
			}
			if !strings.HasPrefix(picture.MIME, "image/") || picture.Width > media.MaxSide || picture.Height > media.MaxSide || picture.Width < 1 {
				t.Errorf("%s of %d × %d", picture.MIME, picture.Width, picture.Height)
			}
			again, err := p.Clean(t.Context(), bytes.NewReader(copied))
			if err != nil {
				t.Fatalf("the copy cannot be read: %v", err)
			}
			_ = again.Close()
		})
	}
}
