package postgres_test

import (
	"net/url"
	"testing"

	"github.com/carillonhq/carillon/adapters/postgres"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
)

// While a login's password is changed, a process that has the other one beside
// its own gets in before and after.
func TestTheOtherPasswordCounts(t *testing.T) {
	u := postgrestest.Of(t, postgrestest.Open(t))
	wrong := func(text string) (out, right string) {
		v, err := url.Parse(text)
		must(t, err)
		right, _ = v.User.Password()
		v.User = url.UserPassword(v.User.Username(), "not it")
		return v.String(), right
	}
	app, appPassword := wrong(u.App)
	system, systemPassword := wrong(u.System)
	for name, tc := range map[string]struct {
		c  postgres.Config
		in bool
	}{
		"its own is right":   {postgres.Config{App: u.App, System: u.System, OtherApp: []string{"x"}, OtherSystem: []string{"x"}}, true},
		"the other is right": {postgres.Config{App: app, System: system, OtherApp: []string{"x", appPassword}, OtherSystem: []string{systemPassword}}, true},
		"none is right":      {postgres.Config{App: app, System: system, OtherApp: []string{"x"}, OtherSystem: []string{"x"}}, false},
		"there is no other":  {postgres.Config{App: app, System: u.System}, false},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := postgres.Open(t.Context(), tc.c)
			if (err == nil) != tc.in {
				t.Fatal(err)
			}
			if err == nil {
				db.Close()
			}
		})
	}
}
