package channels

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// appSecret is what is sealed of an app. With nothing but a client secret it
// is written as that alone, as it always was.
type appSecret struct {
	Client string
	More   map[string]string // settings, by name
}

func (appSecret) String() string   { return "***" }
func (appSecret) GoString() string { return "***" }

// fields is appSecret as written when there is more than a client secret.
type fields struct {
	Client string            `json:"client,omitempty"`
	More   map[string]string `json:"more"`
}

// MarshalJSON implements json.Marshaler.
func (s appSecret) MarshalJSON() ([]byte, error) {
	if len(s.More) == 0 {
		return json.Marshal(s.Client)
	}
	return json.Marshal(fields(s))
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *appSecret) UnmarshalJSON(raw []byte) error {
	if len(raw) > 0 && raw[0] == '"' {
		return json.Unmarshal(raw, &s.Client)
	}
	var f fields
	err := json.Unmarshal(raw, &f)
	*s = appSecret(f)
	return err
}

// with returns s after a change by name; an empty secret is deleted.
func (s appSecret) with(change map[string]string) appSecret {
	out := appSecret{s.Client, maps.Clone(s.More)}
	if out.More == nil {
		out.More = map[string]string{}
	}
	for name, value := range change {
		switch {
		case name == ClientSecretName:
			out.Client = value
		case value == "":
			delete(out.More, name)
		default:
			out.More[name] = value
		}
	}
	return out
}

// names lists what is set.
func (s appSecret) names() []string {
	out := slices.Collect(maps.Keys(s.More))
	if s.Client != "" {
		out = append(out, ClientSecretName)
	}
	slices.Sort(out)
	return out
}

// appLife is how long an app's settings may lag behind a change of which this
// process heard nothing, see ForgetApps.
const appLife = 30 * time.Second

// appsKept bounds the cache; past it the cache starts over.
const appsKept = 10_000

// appCache saves a transaction per call to a platform. It holds secrets sealed.
type appCache struct {
	mu   sync.Mutex
	kept map[string]cachedApp
	turn int // counts the times it was emptied; what was read in another one is not kept
}

// ForgetApps makes the next call to each platform read anew what an operator
// set for it. It is for whoever hears of a change in another process.
func (s *Service) ForgetApps() {
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	s.apps.kept = nil
	s.apps.turn++
}

type cachedApp struct {
	app   App
	until time.Time
}

// appInstance is the instance whose app is used. Only clients of sign-ins
// that the host runs are registered per instance.
func appInstance(m social.Manifest, instance string) string {
	if m.Auth.Kind == social.AuthOAuth2 {
		return instance
	}
	return ""
}

// settings returns what a plugin may know of an app: all but the client secret.
func (s *Service) settings(ctx context.Context, owner tenants.ID, platform, instance string) (map[string]string, error) {
	if owner == "" {
		return nil, nil
	}
	app, err := s.cachedApp(ctx, owner, platform, instance)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	maps.Copy(out, app.Settings)
	if app.ClientID != "" {
		out["client_id"] = app.ClientID
	}
	if len(app.Sealed) == 0 {
		return out, nil
	}
	var secret appSecret
	if err := s.open(ctx, owner, appPlace(&app, app.Version), app.Sealed, &secret); err != nil {
		return nil, err
	}
	maps.Copy(out, secret.More)
	return out, nil
}

// cachedApp is the app of one tenant, as of not long ago.
func (s *Service) cachedApp(ctx context.Context, owner tenants.ID, platform, instance string) (App, error) {
	key := place(string(owner), platform, instance)
	s.apps.mu.Lock()
	hit, ok := s.apps.kept[key]
	turn := s.apps.turn
	s.apps.mu.Unlock()
	if ok && s.Now().Before(hit.until) {
		return hit.app, nil
	}
	var app *App
	err := s.Store.View(ctx, owner, func(ctx context.Context, tx Tx) (err error) {
		app, err = tx.App(ctx, platform, instance)
		return err
	})
	if err != nil {
		return App{}, err
	}
	s.apps.mu.Lock()
	defer s.apps.mu.Unlock()
	if s.apps.turn != turn {
		return *app, nil
	}
	if s.apps.kept == nil || len(s.apps.kept) > appsKept {
		s.apps.kept = map[string]cachedApp{}
	}
	s.apps.kept[key] = cachedApp{app: *app, until: s.Now().Add(appLife)}
	return *app, nil
}
