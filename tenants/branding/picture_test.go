package branding_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/storage/storagetest"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/branding"
	"github.com/carillonhq/carillon/tenants/branding/brandingtest"
)

// camera makes copies as it is told to.
type camera struct {
	mime          string
	width, height int
}

func (c camera) Clean(_ context.Context, r io.Reader) (*branding.Copy, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(raw)
	return &branding.Copy{
		ReadCloser: io.NopCloser(strings.NewReader(string(raw))), MIME: c.mime, Bytes: int64(len(raw)), SHA256: hex.EncodeToString(sum[:]), Width: c.width, Height: c.height,
	}, nil
}

var agency = tenants.Scope{Tenant: tenants.NewID(), Kind: tenants.Agency, Tier: tenants.Team}

func TestPicturesAreChecked(t *testing.T) {
	for name, tc := range map[string]struct {
		kind   branding.PictureKind
		camera camera
		bytes  int
		want   string
	}{
		"a logo":              {branding.Logo, camera{"image/png", 400, 100}, 10, ""},
		"a photograph":        {branding.Logo, camera{"image/jpeg", 400, 100}, 10, ""},
		"an animation":        {branding.Logo, camera{"image/gif", 40, 40}, 10, "brand.picture_kind"},
		"too wide":            {branding.Logo, camera{"image/png", 2049, 10}, 10, "brand.picture_side"},
		"too many bytes":      {branding.Logo, camera{"image/png", 10, 10}, 1<<20 + 1, "brand.picture_size"},
		"an icon":             {branding.Favicon, camera{"image/png", 64, 64}, 10, ""},
		"an icon, not square": {branding.Favicon, camera{"image/png", 64, 32}, 10, "brand.picture_square"},
		"a large icon":        {branding.Favicon, camera{"image/png", 10, 10}, 256<<10 + 1, "brand.picture_size"},
		"a banner":            {"banner", camera{"image/png", 10, 10}, 10, "brand.no_picture"},
	} {
		store := new(brandingtest.Store)
		s := branding.New(branding.Deps{Store: store, Images: tc.camera, Blobs: new(storagetest.Memory), Authz: anybody{}, Product: branding.Product, Now: time.Now})
		own, _, err := s.SetPicture(t.Context(), agency, tc.kind, strings.NewReader(strings.Repeat("x", tc.bytes)))
		if tc.want == "" && (err != nil || own.Logo == nil && own.Favicon == nil) || tc.want != "" && (err == nil || fault.Of(err).Reason != tc.want || len(store.Tidied) != 0) {
			t.Errorf("%s: %v, %+v", name, err, own)
		}
	}
}

// The bytes of what is shown stay, and those of what is not go.
func TestPicturesAreTidiedUp(t *testing.T) {
	store, blobs := new(brandingtest.Store), new(storagetest.Memory)
	s := branding.New(branding.Deps{Store: store, Images: camera{"image/png", 16, 16}, Blobs: blobs, Authz: anybody{}, Product: branding.Product, Now: time.Now})
	first, _, err := s.SetPicture(t.Context(), agency, branding.Logo, strings.NewReader("one"))
	must(t, err)
	again, _, err := s.SetPicture(t.Context(), agency, branding.Logo, strings.NewReader("one"))
	must(t, err)
	if again.Version != first.Version {
		t.Errorf("the same picture made version %d", again.Version)
	}
	second, _, err := s.SetPicture(t.Context(), agency, branding.Logo, strings.NewReader("two"))
	must(t, err)
	for _, pic := range store.Tidied {
		must(t, s.Tidy(t.Context(), agency.Tenant, pic))
	}
	if _, r, err := s.Picture(t.Context(), "", second.Logo.Address); err != nil {
		t.Errorf("what is shown: %v", err)
	} else {
		_ = r.Close()
	}
	if _, err := blobs.Stat(t.Context(), branding.Key(agency.Tenant, first.Logo.ID)); !fault.Is(err, fault.NotFound) {
		t.Errorf("what was replaced: %v", err)
	}
	must(t, s.RemovePicture(t.Context(), agency, branding.Logo))
	if _, _, err := s.Picture(t.Context(), "", second.Logo.Address); !fault.Is(err, fault.NotFound) {
		t.Errorf("what was removed: %v", err)
	}
}
