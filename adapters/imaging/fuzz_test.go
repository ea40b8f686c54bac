package imaging

import (
	"bytes"
	"os"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
)

func seeds(f *testing.F) {
	photo, err := os.ReadFile("testdata/photo.jpg")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(photo[:2000])
	f.Add([]byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"))
	f.Add([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"))
	f.Add([]byte("RIFF\x1a\x00\x00\x00WEBPVP8L"))
	f.Add([]byte("\xff\xd8\xff\xe1\x00\x20Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"))
}

// The header is all that the serving process reads of a stranger's file.
func FuzzInspect(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, file []byte) {
		mime, cfg, err := inspect(bytes.NewReader(file))
		if err == nil && (mime == "" || cfg.Width <= 0 || cfg.Height <= 0 || fits(cfg) != nil) {
			t.Errorf("accepted %s of %d × %d", mime, cfg.Width, cfg.Height)
		}
		if err != nil && fault.Of(err).Field != "/file" {
			t.Errorf("err = %v points nowhere", err)
		}
	})
}

func FuzzScanGIF(f *testing.F) {
	seeds(f)
	f.Fuzz(func(_ *testing.T, file []byte) { _ = scanGIF(file) })
}

func FuzzOrientation(f *testing.F) {
	seeds(f)
	f.Fuzz(func(t *testing.T, head []byte) {
		if o := orientation(head); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}
