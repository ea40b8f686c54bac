package eventstest

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/tenants"
)

// Sealer is an events.Sealer that hides nothing, but notices a secret that is
// opened for another tenant or row than it was sealed for.
type Sealer struct{}

// Seal implements events.Sealer.
func (Sealer) Seal(_ context.Context, who tenants.ID, row string, plain []byte) ([]byte, error) {
	return append([]byte(string(who)+"|"+row+"|"), plain...), nil
}

// Open implements events.Sealer.
func (Sealer) Open(_ context.Context, who tenants.ID, row string, sealed []byte) ([]byte, error) {
	plain, ok := bytes.CutPrefix(sealed, []byte(string(who)+"|"+row+"|"))
	if !ok {
		return nil, errors.New("sealed for something else")
	}
	return plain, nil
}

// now is a time every store can keep exactly.
func now() time.Time { return time.Now().UTC().Truncate(time.Millisecond) }

// same compares as JSON, so that an instant is the same with and without a
// monotonic reading.
func same(t *testing.T, want, got any) {
	t.Helper()
	w, err := json.Marshal(want)
	must(t, err)
	g, err := json.Marshal(got)
	must(t, err)
	if !bytes.Equal(w, g) {
		t.Errorf("got  %s\nwant %s", g, w)
	}
}

func sorted(ids []events.DeliveryID) []events.DeliveryID {
	ids = slices.Clone(ids)
	slices.Sort(ids)
	return ids
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
