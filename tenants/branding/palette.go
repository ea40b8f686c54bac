package branding

import (
	"fmt"
	"math"
	"strconv"
)

// A Color is what a screen shows, in sRGB.
type Color struct{ R, G, B uint8 }

// ParseColor reads "#rrggbb".
func ParseColor(s string) (c Color, ok bool) {
	if len(s) != 7 || s[0] != '#' {
		return c, false
	}
	n, err := strconv.ParseUint(s[1:], 16, 24)
	return Color{uint8(n >> 16), uint8(n >> 8), uint8(n)}, err == nil //nolint:gosec // 24 bits, cut into bytes
}

// String writes c as "#rrggbb".
func (c Color) String() string { return fmt.Sprintf("#%02x%02x%02x", c.R, c.G, c.B) }

var black, white = Color{}, Color{255, 255, 255}

// AA is the least contrast of text that WCAG 2.2 asks for at level AA (1.4.3).
const AA = 4.5

// Contrast is that of two colours, from 1 to 21 (WCAG 2.2, contrast ratio).
func Contrast(a, b Color) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func luminance(c Color) float64 {
	linear := func(v uint8) float64 {
		s := float64(v) / 255
		if s <= 0.04045 {
			return s / 12.92
		}
		return math.Pow((s+0.055)/1.055, 2.4)
	}
	return 0.2126*linear(c.R) + 0.7152*linear(c.G) + 0.0722*linear(c.B)
}

// mix is so much of b in a, from 0 to 1.
func mix(a, b Color, part float64) Color {
	blend := func(x, y uint8) uint8 { return uint8(math.Round(float64(x) + (float64(y)-float64(x))*part)) }
	return Color{blend(a.R, b.R), blend(a.G, b.G), blend(a.B, b.B)}
}

// steps is how finely a colour is moved.
const steps = 64

// legible is c, moved as little as it takes towards to until it can be read on
// each of grounds. The end of the way is to itself.
func legible(c, to Color, grounds ...Color) Color {
	for i := range steps {
		moved := mix(c, to, float64(i)/steps)
		if readable(moved, grounds) {
			return moved
		}
	}
	return to
}

func readable(c Color, grounds []Color) bool {
	for _, g := range grounds {
		if Contrast(c, g) < AA {
			return false
		}
	}
	return true
}

// A Palette is the colours of one mode. Text, Muted and Accent are read on
// Surface and on Raised; OnAccent is read on Accent.
type Palette struct{ Surface, Raised, Text, Muted, Accent, OnAccent Color }

// Pairs are every text with every ground it stands on.
func (p Palette) Pairs() [][2]Color {
	return [][2]Color{
		{p.Text, p.Surface}, {p.Text, p.Raised}, {p.Muted, p.Surface}, {p.Muted, p.Raised},
		{p.Accent, p.Surface}, {p.Accent, p.Raised}, {p.OnAccent, p.Accent},
	}
}

// How far a ground may be from white or black, in luminance. Within, the other
// end stands out from it, and from what lies a little above it, by more than AA.
const (
	lightest = 0.5
	darkest  = 0.03
)

// Light is the palette of a bright mode, from what a brand says.
func Light(accent, surface, ink Color) Palette {
	ground := toward(surface, white, func(c Color) bool { return luminance(c) >= lightest })
	return palette(ground, mix(ground, black, 0.04), accent, ink, black)
}

// Dark is the palette of a dark mode. Its ground has the hue of ink.
func Dark(accent, surface, ink Color) Palette {
	ground := toward(ink, black, func(c Color) bool { return luminance(c) <= darkest })
	return palette(ground, mix(ground, white, 0.05), accent, surface, white)
}

func palette(ground, raised, accent, text, end Color) Palette {
	p := Palette{Surface: ground, Raised: raised, Text: legible(text, end, ground, raised)}
	p.Muted = legible(mix(p.Text, ground, 0.4), end, ground, raised)
	p.Accent = legible(accent, end, ground, raised)
	p.OnAccent = legible(ground, opposite(p.Accent), p.Accent)
	return p
}

// opposite is black or white, whichever stands out more.
func opposite(c Color) Color {
	if Contrast(c, black) > Contrast(c, white) {
		return black
	}
	return white
}

// toward moves c to end until it does.
func toward(c, end Color, does func(Color) bool) Color {
	for i := range steps {
		if moved := mix(c, end, float64(i)/steps); does(moved) {
			return moved
		}
	}
	return end
}
