package imaging_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/carillonhq/carillon/adapters/imaging"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/fault"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 2 && !strings.HasPrefix(os.Args[1], "-") {
		os.Exit(worker(os.Args[1]))
	}
	os.Exit(m.Run())
}

// processor runs this test binary as its child, in the given role.
func processor(t *testing.T, role string, change func(*imaging.Limits)) *imaging.Processor {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	limits := imaging.DefaultLimits()
	limits.ScratchDir = t.TempDir()
	if change != nil {
		change(&limits)
	}
	t.Cleanup(func() {
		if left, err := os.ReadDir(limits.ScratchDir); err != nil || len(left) != 0 {
			t.Errorf("left in the scratch folder: %v, %v", left, err)
		}
	})
	return imaging.New([]string{self, role}, limits)
}

func clean(t *testing.T, p *imaging.Processor, file []byte) (*media.Picture, []byte) {
	t.Helper()
	picture, err := p.Clean(t.Context(), bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	copied, err := io.ReadAll(picture)
	if err := errors.Join(err, picture.Close()); err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(copied)
	if picture.Bytes != int64(len(copied)) || picture.SHA256 != hex.EncodeToString(sum[:]) {
		t.Errorf("measured %d bytes %s, got %d bytes %x", picture.Bytes, picture.SHA256, len(copied), sum)
	}
	return picture, copied
}

func photo(t testing.TB) []byte {
	t.Helper()
	file, err := os.ReadFile("testdata/photo.jpg")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestAPhotographLosesItsMetadataAndStandsUpright(t *testing.T) {
	file := photo(t)
	for _, secret := range []string{"Exif", "Practice camera", "2026:03:01"} {
		if !bytes.Contains(file, []byte(secret)) {
			t.Fatalf("the photograph has no %q to lose", secret)
		}
	}
	picture, copied := clean(t, processor(t, "clean", nil), file)
	if picture.MIME != "image/jpeg" || picture.Width != 600 || picture.Height != 400 {
		t.Errorf("got %s of %d × %d", picture.MIME, picture.Width, picture.Height)
	}
	for _, secret := range []string{"Exif", "Practice camera", "2026:03:01", "MM\x00*"} {
		if bytes.Contains(copied, []byte(secret)) {
			t.Errorf("the copy still holds %q", secret)
		}
	}
	before, after := decode(t, jpeg.Decode, file), decode(t, jpeg.Decode, copied)
	for _, at := range []image.Point{{20, 20}, {380, 20}, {20, 580}, {200, 300}} {
		// Orientation 6: what is stored at (x, y) belongs at (h-1-y, x).
		was, is := before.At(at.X, at.Y), after.At(before.Bounds().Dy()-1-at.Y, at.X)
		if distance(was, is) > 40 {
			t.Errorf("stored %v at %v, found %v", was, at, is)
		}
	}
}

func decode(t *testing.T, f func(io.Reader) (image.Image, error), file []byte) image.Image {
	t.Helper()
	img, err := f(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func distance(a, b color.Color) (n int) {
	ar, ag, ab, _ := a.RGBA()
	br, bg, bb, _ := b.RGBA()
	for _, d := range []int{int(ar) - int(br), int(ag) - int(bg), int(ab) - int(bb)} {
		n += max(d, -d) >> 8
	}
	return n
}

func fromBase64(t *testing.T, s string) []byte {
	t.Helper()
	file, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestFormats(t *testing.T) {
	p := processor(t, "clean", nil)
	for name, tc := range map[string]struct {
		file []byte
		mime string
	}{
		"PNG":           {encoded(t, png.Encode, image.NewNRGBA(image.Rect(0, 0, 1, 1))), "image/png"},
		"16-bit PNG":    {encoded(t, png.Encode, image.NewNRGBA64(image.Rect(0, 0, 1, 1))), "image/png"},
		"gray JPEG":     {encoded(t, encodeJPEG, image.NewGray(image.Rect(0, 0, 1, 1))), "image/jpeg"},
		"lossless WebP": {fromBase64(t, "UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA=="), "image/png"},
		"lossy WebP":    {fromBase64(t, "UklGRiIAAABXRUJQVlA4IBYAAAAwAQCdASoBAAEADsD+JaQAA3AAAAAA"), "image/jpeg"},
		"still GIF":     {animation(t, 1, 1, 1), "image/gif"},
	} {
		t.Run(name, func(t *testing.T) {
			picture, _ := clean(t, p, tc.file)
			if picture.MIME != tc.mime || picture.Width != 1 || picture.Height != 1 {
				t.Errorf("got %s of %d × %d, want %s", picture.MIME, picture.Width, picture.Height, tc.mime)
			}
		})
	}
}

func encoded(t *testing.T, f func(io.Writer, image.Image) error, img image.Image) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := f(&out, img); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func encodeJPEG(w io.Writer, img image.Image) error { return jpeg.Encode(w, img, nil) }

func animation(t *testing.T, frames, w, h int) []byte {
	t.Helper()
	g := &gif.GIF{LoopCount: 3}
	for i := range frames {
		frame := image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White})
		frame.Pix[0] = byte(i % 2)
		g.Image, g.Delay = append(g.Image, frame), append(g.Delay, 7)
	}
	var out bytes.Buffer
	if err := gif.EncodeAll(&out, g); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestAnAnimationStaysOne(t *testing.T) {
	file := animation(t, 5, 8, 4)
	comment := append([]byte{0x21, 0xFE, 6}, "secret\x00"...)
	file = bytes.Join([][]byte{file[:len(file)-1], comment, {0x3B}}, nil)
	_, copied := clean(t, processor(t, "clean", nil), file)
	g, err := gif.DecodeAll(bytes.NewReader(copied))
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Image) != 5 || g.Delay[4] != 7 || g.LoopCount != 3 || g.Image[1].Pix[0] != 1 {
		t.Errorf("got %d frames, delays %v, loop %d", len(g.Image), g.Delay, g.LoopCount)
	}
	if bytes.Contains(copied, []byte("secret")) {
		t.Error("the comment is still there")
	}
}

func TestAPolyglotIsOnlyAPictureAfterwards(t *testing.T) {
	payload := []byte("PK\x03\x04<script>alert(1)</script><?php evil() ?>")
	for name, file := range map[string][]byte{
		"behind a JPEG": append(photo(t), payload...),
		"behind a PNG":  append(encoded(t, png.Encode, image.NewGray(image.Rect(0, 0, 9, 9))), payload...),
		"behind a GIF":  append(animation(t, 1, 3, 3), payload...),
	} {
		t.Run(name, func(t *testing.T) {
			_, copied := clean(t, processor(t, "clean", nil), file)
			if bytes.Contains(copied, []byte("script")) || bytes.Contains(copied, []byte("PK\x03\x04")) {
				t.Error("the payload survived")
			}
		})
	}
}

func TestTheReadersOwnErrorComesBack(t *testing.T) {
	p := processor(t, "clean", nil)
	boom := errors.New("boom")
	for name, r := range map[string]io.Reader{
		"at once": iotest.ErrReader(boom),
		"later":   io.MultiReader(bytes.NewReader(photo(t)[:1000]), iotest.ErrReader(boom)),
	} {
		if _, err := p.Clean(t.Context(), r); !errors.Is(err, boom) {
			t.Errorf("%s: err = %v, want boom", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := p.Clean(ctx, bytes.NewReader(photo(t))); !fault.Is(err, fault.Canceled) {
		t.Errorf("err = %v, want %s", err, fault.Canceled)
	}
}
