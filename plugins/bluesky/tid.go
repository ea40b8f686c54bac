package bluesky

import (
	"crypto/sha256"
	"encoding/binary"
	"time"
)

// tidAlphabet sorts like the numbers it stands for (atproto.com/specs/tid).
const tidAlphabet = "234567abcdefghijklmnopqrstuvwxyz"

// tid is the record key of a post: 13 characters that hold microseconds and a
// clock number. The second is the one the post was meant for; the rest comes
// from its identity, so that the same post always has the same key and two
// posts of one second have different ones (30 bits apart).
func tid(at time.Time, identity string) string {
	sum := sha256.Sum256([]byte(identity))
	micros := uint64(max(at.Unix(), 0))*1_000_000 + binary.BigEndian.Uint64(sum[:8])%1_000_000
	value := micros<<10 | uint64(binary.BigEndian.Uint16(sum[8:10])&0x3ff)
	value &= 1<<63 - 1
	var key [13]byte
	for i := len(key) - 1; i >= 0; i-- {
		key[i] = tidAlphabet[value&31]
		value >>= 5
	}
	return string(key[:])
}
