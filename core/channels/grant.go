package channels

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// A Grant is what a platform handed over in one sign-in. Several channels may
// rest on one grant: their refresh token is the same and is used up once.
type Grant struct {
	ID          GrantID
	Platform    string
	Instance    string
	App         tenants.ID // whose app it was given to; empty if none
	Sealed      []byte     // the credential; what it is bound to includes Generation
	Generation  int64      // rises by one with every renewal
	Scopes      []string
	ExpiresAt   time.Time // of the access token; zero: never
	RefreshAt   time.Time // when to renew it; zero: never
	RefreshedAt time.Time
	Failures    int
	Problem     string
	LeasedUntil time.Time // zero unless a renewal is under way
}

// A Renewal is one line of a grant's journal.
type Renewal struct {
	Fence      int64
	Generation int64 // the one it set out to replace
	StartedAt  time.Time
	EndedAt    time.Time // zero while under way, or if its process died
	Outcome    string    // "renewed" or the slug of the problem
}

// secret is what a grant seals. The refresh token never leaves this package.
type secret struct {
	Credential social.Credential `json:"credential"`
	Refresh    string            `json:"refresh,omitempty"`
}

func (secret) String() string   { return "***" }
func (secret) GoString() string { return "***" }

// renewable reports whether s can be renewed on platform m.
func (s secret) renewable(m social.Manifest) bool {
	if m.Auth.Kind == social.AuthOAuth2 {
		return s.Refresh != ""
	}
	return m.Can(social.CanRefresh)
}

// Sealer encrypts for one tenant and one place. What was sealed for a place
// opens nowhere else.
type Sealer interface {
	Seal(ctx context.Context, t tenants.ID, place string, plain []byte) ([]byte, error)
	// Open returns fault.Internal if sealed was not made for t and place.
	Open(ctx context.Context, t tenants.ID, place string, sealed []byte) ([]byte, error)
}

// place names one version of one column of one row.
func place(parts ...string) string { return strings.Join(parts, "/") }

func (s *Service) seal(ctx context.Context, t tenants.ID, place string, v any) ([]byte, error) {
	plain, err := json.Marshal(v)
	if err != nil {
		return nil, fault.New(fault.Internal, "channels.encode", "Something went wrong on our side.")
	}
	return s.Sealer.Seal(ctx, t, place, plain)
}

func (s *Service) open(ctx context.Context, t tenants.ID, place string, sealed []byte, v any) error {
	plain, err := s.Sealer.Open(ctx, t, place, sealed)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(plain, v); err != nil {
		// The cause may quote the plain text, so it is dropped.
		return fault.New(fault.Internal, "channels.decode", "Something went wrong on our side.")
	}
	return nil
}
