package channels

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/carillonhq/carillon/tenants"
)

// EventSunset tells a tenant with channels on a platform that the version of
// its API that is spoken ends. It is about the tenant, once per Sunset, and
// carries a SunsetData.
const EventSunset = "platform.sunset"

// A Sunset is the end of one version of a platform's API.
type Sunset struct {
	Platform   string
	APIVersion string
	On         time.Time // a day, UTC
}

// SunsetData is the body of EventSunset.
type SunsetData struct {
	Platform   string `json:"platform"`
	APIVersion string `json:"api_version"`
	Sunset     string `json:"sunset"` // a day: "2027-03-01"
	Message    string `json:"message"`
}

// sunsetBatch is how many tenants are told in one go.
const sunsetBatch = 200

// TellSunsets tells every tenant that posts to a platform of its API version's
// end, once, from social.SunsetNotice before. It is for the kernel's own sweep;
// who could not be told is told by the next.
func (s *Service) TellSunsets(ctx context.Context) error {
	var failed []error
	for _, m := range s.Plugins.List(ctx) {
		message := m.Ending(s.Now())
		if message == "" {
			continue
		}
		x := Sunset{Platform: m.ID, APIVersion: m.APIVersion, On: m.Sunset.UTC().Truncate(24 * time.Hour)}
		if err := s.tellSunset(ctx, x, message); err != nil {
			failed = append(failed, fmt.Errorf("platform %s: %w", m.ID, err))
		}
	}
	return errors.Join(failed...)
}

func (s *Service) tellSunset(ctx context.Context, x Sunset, message string) error {
	for {
		whom, err := s.Store.Untold(ctx, x, sunsetBatch)
		if err != nil {
			return err
		}
		for _, t := range whom {
			if err := s.tellTenant(ctx, t, x, message); err != nil {
				return err
			}
		}
		if len(whom) < sunsetBatch {
			return nil
		}
	}
}

func (s *Service) tellTenant(ctx context.Context, t tenants.ID, x Sunset, message string) error {
	return s.Store.Update(ctx, t, func(ctx context.Context, tx Tx) error {
		if news, err := tx.NoteSunset(ctx, x); err != nil || !news {
			return err
		}
		return tx.Emit(ctx, EventSunset, string(t), SunsetData{
			Platform: x.Platform, APIVersion: x.APIVersion, Sunset: x.On.Format(time.DateOnly), Message: message,
		})
	})
}
