package branding

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Whatever colours a brand has, every text can be read on every ground it
// stands on, in both modes.
func TestEveryPaletteIsLegible(t *testing.T) {
	check := func(accent, surface, ink Color) {
		t.Helper()
		for mode, p := range map[string]Palette{"light": Light(accent, surface, ink), "dark": Dark(accent, surface, ink)} {
			for i, pair := range p.Pairs() {
				if c := Contrast(pair[0], pair[1]); c < AA {
					t.Fatalf("%s of %s, %s, %s: pair %d, %s on %s, has %.2f", mode, accent, surface, ink, i, pair[0], pair[1], c)
				}
			}
		}
	}
	var corners []Color
	for _, r := range []uint8{0, 127, 255} {
		for _, g := range []uint8{0, 127, 255} {
			for _, b := range []uint8{0, 127, 255} {
				corners = append(corners, Color{r, g, b})
			}
		}
	}
	for _, a := range corners {
		for _, s := range corners {
			for _, i := range corners {
				check(a, s, i)
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	any := func() Color { n := rng.Uint32(); return Color{uint8(n), uint8(n >> 8), uint8(n >> 16)} }
	for range 5000 {
		check(any(), any(), any())
	}
}

// What can be read already stays what it is.
func TestALegibleBrandIsKept(t *testing.T) {
	accent, ink := Color{0x0a, 0x5e, 0xa8}, Color{0x11, 0x18, 0x27}
	p := Light(accent, white, ink)
	if p.Accent != accent || p.Surface != white || p.Text != ink {
		t.Errorf("%+v", p)
	}
}

func TestContrast(t *testing.T) {
	for want, pair := range map[float64][2]Color{21: {black, white}, 1: {white, white}, 4.54: {{0x76, 0x76, 0x76}, white}, 4.48: {{0x77, 0x77, 0x77}, white}} {
		if got := Contrast(pair[0], pair[1]); math.Abs(got-want) > 0.005 {
			t.Errorf("%s on %s is %.3f, want %.2f", pair[0], pair[1], got, want)
		}
	}
}

func FuzzParseColor(f *testing.F) {
	for _, s := range []string{"#0a6ebd", "#FFFFFF", "#12345", "#+12345", "red"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if c, ok := ParseColor(s); ok {
			if again, ok := ParseColor(c.String()); !ok || again != c {
				t.Errorf("%q is %v and then %v", s, c, again)
			}
		}
	})
}
