package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/carillonhq/carillon/cmd/internal/person"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// stage is who takes part for a while.
type stage struct {
	rig       *rig
	red, blue *side
	cast      []*principal // each as often as they are to be drawn
	operator  *principal
	calmed    atomic.Int64 // when, in Unix nanoseconds
}

// A side is a tenant with what is in it. All that its people write has its
// marker, and nobody else's answers may.
type side struct {
	marker            string
	agency, workspace tenants.ID

	mu    sync.Mutex
	names map[string][]string // by prefix, the latest that answers told of
}

// A principal is somebody who asks.
type principal struct {
	name    string
	side    *side  // nil: of neither
	tenant  string // what they name
	email   string // signs in again with it; empty: they cannot
	bearer  atomic.Pointer[string]
	blind   []string // the markers that they must not see
	someone bool     // they have a credential

	mu    sync.Mutex
	since time.Time // the last sign-in
}

func (p *principal) token() string {
	if b := p.bearer.Load(); b != nil {
		return *b
	}
	return ""
}

// kept is how many names of a kind a side remembers.
const kept = 32

var nameLike = regexp.MustCompile(`\b([a-z]{2,8})_[0-9a-hjkmnp-tv-z]{26}\b`)

var cursorLike = regexp.MustCompile(`"next_cursor":"([^"]+)"`)

// learn remembers the names in an answer.
func (s *side) learn(body []byte) {
	found := nameLike.FindAllSubmatch(body, 64)
	if m := cursorLike.FindSubmatch(body); m != nil {
		found = append(found, [][]byte{m[1], []byte("cursor")})
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range found {
		prefix := string(m[1])
		if all := append(s.names[prefix], string(m[0])); len(all) > kept {
			s.names[prefix] = all[1:]
		} else {
			s.names[prefix] = all
		}
	}
}

// some is a name with prefix, or a made one if the side has none.
func (s *side) some(d *rand.Rand, prefix string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if all := s.names[prefix]; len(all) > 0 {
		return all[d.IntN(len(all))]
	}
	return id.New(prefix)
}

// furnish makes two tenants with people and one of everything, and strangers.
func furnish(ctx context.Context, r *rig) (*stage, error) {
	if err := r.kernel.calm(ctx); err != nil {
		return nil, err
	}
	s := &stage{rig: r}
	var err error
	if s.red, err = s.side(ctx); err != nil {
		return nil, err
	}
	if s.blue, err = s.side(ctx); err != nil {
		return nil, err
	}
	both := []string{s.red.marker, s.blue.marker}
	if err := s.join(ctx, 3, &principal{name: "member of nothing", tenant: string(s.red.workspace), blind: both, someone: true}, nil); err != nil {
		return nil, err
	}
	root := map[tenants.ID]tenants.Role{r.kernel.root.Tenant: tenants.Owner}
	if err := s.join(ctx, 8, &principal{name: "owner of the installation", tenant: string(r.kernel.root.Tenant), blind: both, someone: true}, root); err != nil {
		return nil, err
	}
	s.draw(3, &principal{name: "nobody", tenant: string(s.red.workspace), blind: both})
	forged := &principal{name: "a forged bearer", tenant: string(s.blue.workspace), blind: both}
	bearer := "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ1c3JfMSJ9."
	forged.bearer.Store(&bearer)
	s.draw(2, forged)
	s.operator = &principal{name: "operator", someone: true}
	in, err := r.kernel.operator(ctx)
	if err != nil {
		return nil, fmt.Errorf("operator: %w", err)
	}
	token := in.Reveal()
	s.operator.bearer.Store(&token)
	return s, nil
}

// draw lets p ask n times as often as 1.
func (s *stage) draw(n int, p *principal) {
	for range n {
		s.cast = append(s.cast, p)
	}
}

// join makes a person for p and signs them in.
func (s *stage) join(ctx context.Context, n int, p *principal, in map[tenants.ID]tenants.Role) (err error) {
	called := p.name
	if p.side != nil {
		called += " " + p.side.marker
	}
	if p.email, err = s.rig.kernel.person(ctx, in); err != nil {
		return err
	}
	s.draw(n, p)
	if err := s.signIn(ctx, p); err != nil {
		return err
	}
	// What is made for them when they first sign in is called as they are, and
	// its owner sees that: only now they have their name.
	_, err = s.rig.Admin.Exec(ctx, "update users set name = $2 where email = $1", p.email, called)
	return err
}

// side makes a tenant, its people and its things.
func (s *stage) side(ctx context.Context) (*side, error) {
	one := &side{marker: "mk" + strings.ToLower(id.New("m")[20:]), names: map[string][]string{}}
	other := s.red
	var err error
	if one.agency, one.workspace, err = s.rig.kernel.place(ctx, one.marker); err != nil {
		return nil, err
	}
	var blind []string
	if other != nil {
		blind = []string{other.marker}
		for _, p := range s.cast {
			p.blind = []string{one.marker}
		}
	}
	w := string(one.workspace)
	owner := &principal{name: "owner", side: one, tenant: w, blind: blind, someone: true}
	for _, of := range []struct {
		n    int
		p    *principal
		role map[tenants.ID]tenants.Role
	}{
		{24, owner, map[tenants.ID]tenants.Role{one.workspace: tenants.Owner}},
		{8, &principal{name: "owner of the agency", side: one, tenant: string(one.agency), blind: blind, someone: true}, map[tenants.ID]tenants.Role{one.agency: tenants.Owner}},
		{5, &principal{name: "editor", side: one, tenant: w, blind: blind, someone: true}, map[tenants.ID]tenants.Role{one.workspace: tenants.Editor}},
		{2, &principal{name: "client", side: one, tenant: w, blind: blind, someone: true}, map[tenants.ID]tenants.Role{one.workspace: tenants.Client}},
	} {
		if err := s.join(ctx, of.n, of.p, of.role); err != nil {
			return nil, err
		}
	}
	return one, s.fill(ctx, one, owner)
}

// fill makes one of everything that has a name, through the API.
func (s *stage) fill(ctx context.Context, one *side, owner *principal) error {
	m := one.marker
	if _, err := person.New(s.rig.api, owner.email, password).Connect(ctx, owner.tenant, m); err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	key, err := s.make(ctx, owner, "POST", "/api-keys", fmt.Sprintf(`{"name":%q,"scopes":["post.read","post.create","post.edit","post.schedule","media.read","channel.read","event.read"]}`, m))
	if err != nil {
		return err
	}
	if err := s.see(ctx, owner, "/channels"); err != nil {
		return err
	}
	channel := one.some(nobodys(), "chn")
	for _, of := range [][3]string{
		{"POST", "/posts", `{"segments":[{"text":"` + m + `"}],"channels":[{"channel_id":"` + channel + `"}]}`},
		{"POST", "/posts", `{"segments":[{"text":"` + m + ` later"}],"channels":[{"channel_id":"` + channel + `"}],"schedule":{"local_time":"2027-09-01T09:00:00","timezone":"Europe/Lisbon"}}`},
		{"POST", "/webhooks", `{"url":"https://example.com/` + m + `"}`},
		{"POST", "/roles", `{"name":"` + m + `","title":"` + m + `","actions":["post.read"]}`},
		{"POST", "/invitations", `{"email":"` + m + `@example.com","role":"viewer"}`},
	} {
		if _, err := s.make(ctx, owner, of[0], of[1], of[2]); err != nil {
			return err
		}
	}
	api := &principal{name: "key", side: one, blind: owner.blind, someone: true}
	secret, _ := key["secret"].(string)
	api.bearer.Store(&secret)
	s.draw(10, api)
	for _, path := range []string{"/me", "/me/sessions", "/posts", "/webhooks", "/members", "/invitations", "/events", "/audit", "/api-keys"} {
		if err := s.see(ctx, owner, path); err != nil {
			return err
		}
	}
	return nil
}
