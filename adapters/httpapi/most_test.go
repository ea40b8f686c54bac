package httpapi

import (
	"maps"
	"testing"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/tenants/branding"
)

// A stream has the bound that the contract says, or that of an upload here.
func TestStreamsAreBounded(t *testing.T) {
	got := map[string]int64{}
	for _, r := range api.Routes(nil) {
		if r.Stream {
			got[r.Operation] = r.Most
		} else if r.Most != 0 {
			t.Errorf("%s has a bound and is no stream", r.Operation)
		}
	}
	if want := map[string]int64{"UploadMedia": 0, "SetBrandPicture": branding.MaxPicture, "AddPlugin": 64 << 20}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}
