// Package id makes and reads the names of things.
//
// A name is a lower-case prefix that says what it names, an underscore and 26
// characters of Crockford base 32 that hold a UUIDv7 (RFC 9562): it sorts by
// time of birth, can be searched for in a log and says nothing about how many
// there are. The alphabet is safe in URLs, file names and SQL literals.
package id

import (
	"crypto/rand"
	"encoding/binary"
	"strings"
	"time"
)

const alphabet = "0123456789abcdefghjkmnpqrstvwxyz"

// size is the length of the part after the underscore: 128 bits, 5 a digit.
const size = 26

// New returns a fresh name with prefix, such as "post_01jd9…". The prefix is
// one to eight lower-case letters.
func New(prefix string) string { return At(prefix, time.Now()) }

// At is New at a given time, for tests and imports.
func At(prefix string, at time.Time) string {
	var b [16]byte
	_, _ = rand.Read(b[8:]) // never fails, see crypto/rand
	ms := uint64(at.UnixMilli())
	binary.BigEndian.PutUint32(b[0:], uint32(ms>>16))
	binary.BigEndian.PutUint16(b[4:], uint16(ms))
	// RFC 9562, 6.2, method 3: twelve bits say which 244 ns of the millisecond.
	binary.BigEndian.PutUint16(b[6:], uint16(at.Nanosecond()%1e6*4096/1e6)|0x7000)
	b[8] = b[8]&0x3f | 0x80
	return prefix + "_" + encode(b)
}

// Born returns when a well-formed name was made, to the millisecond, by the
// clock of whoever made it; zero for any other.
func Born(s string) time.Time {
	_, digits, _ := strings.Cut(s, "_")
	if !wellFormed(digits) {
		return time.Time{}
	}
	var ms uint64 // the first 48 of 130 bits, of which two are nothing
	for i := range 10 {
		ms = ms<<5 | uint64(strings.IndexByte(alphabet, digits[i]))
	}
	return time.UnixMilli(int64(ms)).UTC()
}

// Floor is the least name with prefix of things born at that time: every name
// made since sorts after it. It names nothing.
func Floor(prefix string, at time.Time) string {
	var b [16]byte
	ms := uint64(max(0, at.UnixMilli()))
	binary.BigEndian.PutUint32(b[0:], uint32(ms>>16))
	binary.BigEndian.PutUint16(b[4:], uint16(ms))
	return prefix + "_" + encode(b)
}

// Is reports whether s is a well-formed name with prefix.
func Is(prefix, s string) bool {
	digits, ok := strings.CutPrefix(s, prefix+"_")
	return ok && wellFormed(digits)
}

// Prefix returns what s names, or "" if s is no well-formed name.
func Prefix(s string) string {
	prefix, digits, ok := strings.Cut(s, "_")
	if !ok || len(prefix) == 0 || len(prefix) > 8 || !wellFormed(digits) {
		return ""
	}
	for i := range len(prefix) {
		if prefix[i] < 'a' || prefix[i] > 'z' {
			return ""
		}
	}
	return prefix
}

func wellFormed(digits string) bool {
	if len(digits) != size || digits[0] > '7' {
		return false
	}
	for i := range size {
		if strings.IndexByte(alphabet, digits[i]) < 0 {
			return false
		}
	}
	return true
}

func encode(b [16]byte) string {
	hi, lo := binary.BigEndian.Uint64(b[:8]), binary.BigEndian.Uint64(b[8:])
	var out [size]byte
	for i := size - 1; i >= 0; i-- {
		out[i] = alphabet[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}
