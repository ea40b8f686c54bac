package breached

import (
	"fmt"
	"math/rand/v2"
	"testing"
)

func TestStolenPasswordsAreKnown(t *testing.T) {
	for _, p := range []string{"password", "password1", "Passw0rd", "12345678", "iloveyou", "sunshine1", "QWERTYUIOP", "football1", "1q2w3e4r5t", "trustno1"} {
		if !Has(p) {
			t.Errorf("%s is not known", p)
		}
	}
	for _, p := range []string{"pell-mel", "mist orchard velvet quarry", "x7#kQ!m2Vb", "", "1234"} {
		if Has(p) {
			t.Errorf("%q is taken for a stolen one", p)
		}
	}
	if Len() < 400_000 || len(file) > 2<<20 {
		t.Errorf("%d passwords in %d bytes", Len(), len(file))
	}
}

// The figure in the package comment, counted with words that nobody had.
func TestHowOftenAnotherIsTakenForOne(t *testing.T) {
	r, wrong := rand.New(rand.NewPCG(1, 2)), 0
	const tries = 300_000
	for range tries {
		if Has(fmt.Sprintf("%016x", r.Uint64())) {
			wrong++
		}
	}
	if wrong > 2*tries/10_000 {
		t.Errorf("%d of %d", wrong, tries)
	}
}

func TestMake(t *testing.T) {
	made := Make([]string{"Swordfish", "swordfish", "short", "another one"})
	for p, in := range map[string]bool{"SWORDFISH": true, "another one": true, "short": false, "something else": false} {
		if has(made, p) != in {
			t.Errorf("%s: %v", p, !in)
		}
	}
	if made[7] != 2 {
		t.Errorf("%d passwords", made[7])
	}
	if has(Make(nil), "swordfish") || has(nil, "swordfish") {
		t.Error("an empty filter has something")
	}
}
