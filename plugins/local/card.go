package local

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
	"golang.org/x/image/math/fixed"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/model"
)

// What a card may be.
const (
	minSide, maxSide = 200, 2048
	maxCardText      = 400
)

// The fonts of every card, which many may use at once.
var (
	boldFont    = sync.OnceValues(func() (*opentype.Font, error) { return opentype.Parse(gobold.TTF) })
	regularFont = sync.OnceValues(func() (*opentype.Font, error) { return opentype.Parse(goregular.TTF) })
)

// card is a picture with a text.
type card struct {
	text, author, brand string
	quote               bool
	top, bottom         color.RGBA
	w, h                int
}

// paint answers Image with one PNG.
func paint(req model.RunRequest, emit func(model.Event) error) (model.Step, error) {
	c, err := cardOf(req)
	if err != nil {
		return model.Step{}, err
	}
	img, err := c.draw()
	if err != nil {
		return model.Step{}, err
	}
	var b bytes.Buffer
	if err := (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, img); err != nil {
		return model.Step{}, err
	}
	if b.Len() > model.MaxInline {
		return model.Step{}, fault.New(fault.Invalid, "local.too_large", "This card is too large. Choose a smaller size.").On("/params/size")
	}
	used := model.Usage{Units: map[model.Unit]int64{model.Picture: 1}}
	err = emit(model.Event{Usage: &used, Artifact: &model.Artifact{
		ID: "card", MIME: "image/png", Data: b.Bytes(),
		Meta: map[string]string{"made_by": "template", "alt": c.alt(), "size": fmt.Sprintf("%dx%d", c.w, c.h)},
	}})
	if err != nil {
		return model.Step{}, err
	}
	return done(Painter, used), nil
}

// palettes are for cards without colours of their own.
var palettes = [][2]string{{"#1f3a5f", "#4f7cac"}, {"#5b2a86", "#9a5cc6"}, {"#0b5d4e", "#3a9d82"}, {"#8a2c2c", "#d4694f"}, {"#2d2d34", "#5c5c68"}}

func cardOf(req model.RunRequest) (card, error) {
	text := req.Prompt()
	bad := func(reason, message, on string) (card, error) {
		return card{}, fault.New(fault.Invalid, reason, "%s", message).On(on)
	}
	if text == "" || len([]rune(text)) > maxCardText {
		return bad("local.bad_text", "A card takes 1 to 400 characters.", "/texts/0")
	}
	p := func(name string) string { s, _ := req.Params[name].(string); return s }
	c := card{text: text, author: p("author"), brand: p("brand_name"), quote: p("template") != "announcement", w: 1080, h: 1080}
	if size := p("size"); size != "" {
		if _, err := fmt.Sscanf(size, "%dx%d", &c.w, &c.h); err != nil || min(c.w, c.h) < minSide || max(c.w, c.h) > maxSide {
			return bad("local.bad_size", "A side has 200 to 2048 pixels.", "/params/size")
		}
	}
	seed, _ := req.Params["seed"].(float64)
	pair := palettes[(int(seed)%len(palettes)+len(palettes)+len(text))%len(palettes)]
	list, _ := req.Params["colours"].([]any)
	for i, raw := range list[:min(len(list), 2)] {
		s, _ := raw.(string)
		if pair[i] = s; len(list) == 1 {
			pair[1] = s
		}
	}
	var err1, err2 error
	c.top, err1 = colour(pair[0])
	if c.bottom, err2 = colour(pair[1]); err1 != nil || err2 != nil {
		return bad("local.bad_colour", "A colour is written #rrggbb.", "/params/colours")
	}
	return c, nil
}

func colour(s string) (color.RGBA, error) {
	c := color.RGBA{A: 255}
	n, err := fmt.Sscanf(s, "#%02x%02x%02x", &c.R, &c.G, &c.B)
	if err == nil && (n != 3 || len(s) != 7) {
		err = fmt.Errorf("%d parts", n)
	}
	return c, err
}

func (c card) alt() string {
	if c.author != "" {
		return fmt.Sprintf("%s (%s)", c.text, c.author)
	}
	return c.text
}

// draw lays the text out as large as it fits, in the middle, on a gradient.
func (c card) draw() (image.Image, error) {
	bold, err := boldFont()
	if err != nil {
		return nil, err
	}
	regular, err := regularFont()
	if err != nil {
		return nil, err
	}
	text := c.text
	if c.quote {
		text = "“" + strings.Trim(text, `"“”`) + "”"
	}
	if r, ok := missing(bold, text+c.author+c.brand); ok {
		return nil, fault.New(fault.Invalid, "local.no_glyph", "The font of the cards has no %q.", string(r)).On("/texts/0")
	}
	img := image.NewRGBA(image.Rect(0, 0, c.w, c.h))
	c.ground(img)
	ink := c.ink()
	face, lines := largest(bold, text, float64(c.w)*0.8, float64(c.h)*0.6, float64(min(c.w, c.h)))
	defer func() { _ = face.Close() }()
	height := face.Metrics().Height
	y := fixed.I(c.h)/2 - height*fixed.Int26_6(len(lines))/2 + face.Metrics().Ascent //nolint:gosec // some lines
	for _, line := range lines {
		centre(img, face, ink, line, y)
		y += height
	}
	foot, err := opentype.NewFace(regular, &opentype.FaceOptions{Size: float64(min(c.w, c.h)) * 0.035, DPI: 72})
	if err != nil {
		return nil, err
	}
	defer func() { _ = foot.Close() }()
	if c.author != "" {
		centre(img, foot, ink, "— "+c.author, y+height/3)
	}
	if c.brand != "" {
		centre(img, foot, ink, c.brand, fixed.I(c.h-c.h/18))
	}
	return img, nil
}

// ground is the gradient, from the top to the bottom: rows of one colour are
// what PNG keeps small.
func (c card) ground(img *image.RGBA) {
	mix := func(a, b uint8, y int) uint8 { return uint8((int(a)*(c.h-y) + int(b)*y) / c.h) } //nolint:gosec // between two of them
	for y := range c.h {
		row := color.RGBA{mix(c.top.R, c.bottom.R, y), mix(c.top.G, c.bottom.G, y), mix(c.top.B, c.bottom.B, y), 255}
		draw.Draw(img, image.Rect(0, y, c.w, y+1), image.NewUniform(row), image.Point{}, draw.Src)
	}
}

// ink is what reads better on the middle of the ground.
func (c card) ink() color.Color {
	light := func(x color.RGBA) int { return 299*int(x.R) + 587*int(x.G) + 114*int(x.B) }
	if light(c.top)+light(c.bottom) > 2*150_000 {
		return color.RGBA{20, 20, 24, 255}
	}
	return color.White
}

func missing(f *opentype.Font, text string) (rune, bool) {
	for _, r := range text {
		if i, err := f.GlyphIndex(nil, r); (err != nil || i == 0) && r != '\n' {
			return r, true
		}
	}
	return 0, false
}

// largest is the text in lines at the largest size that fits the box.
func largest(f *opentype.Font, text string, width, height, side float64) (font.Face, []string) {
	for size := side * 0.12; ; size *= 0.92 {
		face, err := opentype.NewFace(f, &opentype.FaceOptions{Size: size, DPI: 72})
		if err != nil {
			continue
		}
		lines, ok := wrap(face, text, fixed.I(int(width)))
		if ok && face.Metrics().Height*fixed.Int26_6(len(lines)) <= fixed.I(int(height)) || size < 8 { //nolint:gosec // some lines
			return face, lines
		}
		_ = face.Close()
	}
}

// wrap breaks at spaces; ok is false if a word is wider than a line.
func wrap(face font.Face, text string, width fixed.Int26_6) (lines []string, ok bool) {
	ok = true
	for _, paragraph := range strings.Split(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			ok = ok && font.MeasureString(face, word) <= width
			if longer := strings.TrimSpace(line + " " + word); font.MeasureString(face, longer) <= width || line == "" {
				line = longer
				continue
			}
			lines, line = append(lines, line), word
		}
		lines = append(lines, line)
	}
	return lines, ok
}

func centre(img draw.Image, face font.Face, ink color.Color, text string, y fixed.Int26_6) {
	d := font.Drawer{Dst: img, Src: image.NewUniform(ink), Face: face}
	d.Dot = fixed.Point26_6{X: (fixed.I(img.Bounds().Dx()) - d.MeasureString(text)) / 2, Y: y}
	d.DrawString(text)
}
