package imaging

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"os"

	"golang.org/x/image/webp"
)

// How a child ends. Everything else, a signal above all, is a picture that
// took too much.
const (
	exitUnreadable = 3
	exitAnimated   = 4
	exitFrames     = 5
)

var (
	errAnimated = errors.New("animated WebP")
	errFrames   = errors.New("too many frames")
)

// jpegQuality keeps a photograph's file about as large as it was.
const jpegQuality = 90

// smallPNG is up to how many pixels a PNG is worth the time to compress well.
const smallPNG = 8_000_000

// Child is the whole life of a decoding process: it reads a picture from in,
// writes the clean copy to out and returns the exit code. Nothing else of the
// program runs in it.
func Child(in io.Reader, out io.Writer) int {
	err := clean(in, out)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, errAnimated):
		return exitAnimated
	case errors.Is(err, errFrames):
		return exitFrames
	}
	fmt.Fprintln(os.Stderr, err) // there is nobody left to tell
	return exitUnreadable
}

func clean(in io.Reader, out io.Writer) error {
	head, err := io.ReadAll(io.LimitReader(in, headerSize))
	if err != nil {
		return err
	}
	in = io.MultiReader(bytes.NewReader(head), in)
	switch sniff(head) {
	case mimePNG:
		img, err := png.Decode(in)
		return write(out, img, err, encodePNG)
	case mimeJPEG:
		img, err := jpeg.Decode(in)
		return write(out, upright(img, orientation(head)), err, encodeJPEG)
	case mimeGIF:
		return cleanGIF(in, out)
	case mimeWebP:
		if len(head) > 20 && string(head[12:16]) == "VP8X" && head[20]&0x02 != 0 {
			return errAnimated
		}
		img, err := webp.Decode(in)
		if _, lossy := img.(*image.YCbCr); lossy {
			return write(out, img, err, encodeJPEG)
		}
		return write(out, img, err, encodePNG)
	}
	return errors.New("no picture")
}

func write(out io.Writer, img image.Image, err error, encode func(io.Writer, image.Image) error) error {
	if err != nil {
		return err
	}
	return encode(out, img)
}

func encodeJPEG(out io.Writer, img image.Image) error {
	if _, ok := img.(*image.CMYK); ok {
		img = toRGBA(img)
	}
	return jpeg.Encode(out, img, &jpeg.Options{Quality: jpegQuality})
}

func encodePNG(out io.Writer, img image.Image) error {
	b := img.Bounds()
	if withAlpha, ok := img.(*image.NYCbCrA); ok { // a type the encoder reads pixel by pixel
		flat := image.NewNRGBA(b)
		draw.Draw(flat, b, withAlpha, b.Min, draw.Src)
		img = flat
	}
	enc := png.Encoder{CompressionLevel: png.BestSpeed}
	if b.Dx()*b.Dy() <= smallPNG {
		enc.CompressionLevel = png.DefaultCompression
	}
	return enc.Encode(out, img)
}

// cleanGIF keeps frames, delays and loop and drops the rest. The frames are
// added up before the first is unpacked.
func cleanGIF(in io.Reader, out io.Writer) error {
	file, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	if err := scanGIF(file); err != nil {
		return err
	}
	g, err := gif.DecodeAll(bytes.NewReader(file))
	if err != nil {
		return err
	}
	// The encoder wants the palette it writes first to be the pictures' own.
	g.Config.ColorModel = nil
	for _, frame := range g.Image {
		if len(frame.Palette) == 0 {
			frame.Palette = color.Palette{color.Transparent}
		}
	}
	return gif.EncodeAll(out, g)
}
