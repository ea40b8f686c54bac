package pluginhost

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/carillonhq/carillon/ports/social"
)

// stampMark begins a state whose shape is not 0. A state that begins with it
// by itself is stamped whatever its shape, so reading is never a guess.
var stampMark = []byte("\x00crn")

// stamp puts a shape on what a plugin carries to its next step. An empty state
// has none: every version can begin with it.
func stamp(shape int, state []byte) ([]byte, error) {
	if len(state) == 0 || shape == 0 && !bytes.HasPrefix(state, stampMark) {
		return state, within(state)
	}
	out := make([]byte, 0, len(stampMark)+binary.MaxVarintLen32+len(state))
	out = binary.AppendUvarint(append(out, stampMark...), uint64(max(shape, 0)))
	out = append(out, state...)
	return out, within(out)
}

func within(state []byte) error {
	if len(state) > social.MaxState {
		return fmt.Errorf("the plugin's state has %d bytes, over %d", len(state), social.MaxState)
	}
	return nil
}

// unstamp takes the stamp off. What has none is of shape 0, also what was
// stored before there were stamps.
func unstamp(stored []byte) (shape int, state []byte) {
	rest, marked := bytes.CutPrefix(stored, stampMark)
	if !marked {
		return 0, stored
	}
	v, n := binary.Uvarint(rest)
	if n <= 0 || v > 1<<31 {
		return 0, stored
	}
	return int(v), rest[n:]
}
