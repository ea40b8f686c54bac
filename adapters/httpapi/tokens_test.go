package httpapi_test

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/gateway"
	"github.com/carillonhq/carillon/adapters/postgres/postgrestest"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/core/admin"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// A purpose is one thing that a token is for. This list is closed: a prefix, a
// key or a kind of question in the source that it does not know fails the build,
// and each is shown at every other's door.
type purpose struct {
	name string
	of   []string // what in the source stands for it: prefixes, vault purposes, questions, aims
	mint func(*scene) string
}

// purposes is every token there is.
var purposes = []purpose{
	{"access token", []string{"key session"}, func(s *scene) string { return s.token }},
	{"API key", []string{"car_"}, func(s *scene) string {
		return s.keyFor(s.tenant, s.owner, "post.read").Reveal()
	}},
	{"operator's session", []string{"cop_"}, func(s *scene) string { return s.boss }},
	{"impersonation", []string{"cim_"}, (*scene).acting},
	{"refresh token", []string{"crt_", "key refresh"}, func(s *scene) string { return s.signedIn()["refresh_token"] }},
	{"device", []string{"cdv_"}, func(s *scene) string { return s.signedIn()["device_token"] }},
	{"verification", []string{"cvf_", "purpose verify"}, func(s *scene) string {
		return fmt.Sprint(decode(s.t, (&stage{world: s.world, owner: s.owner}).registration())["token"])
	}},
	{"password reset", []string{"crs_", "purpose reset"}, func(s *scene) string {
		user, _ := s.person() // whose sessions it ends
		link, err := s.names.Link(s.t.Context(), user)
		must(s.t, err)
		return link.Reveal()
	}},
	{"it was not me", []string{"cds_", "purpose disown"}, (*scene).disowning},
	{"invitation", []string{"civ_"}, func(s *scene) string {
		return (&stage{world: s.world, tenant: s.tenant, owner: s.owner}).invited(id.New("usr") + "@example.com")
	}},
	{"link of an operator", []string{"col_"}, func(s *scene) string {
		_, link, err := s.admin.AddOperator(s.t.Context(), admin.Shell(), id.New("opr")+"@example.com", "Olga")
		must(s.t, err)
		return link.Reveal()
	}},
	{"second factor", []string{"cch_", "question second"}, challenged(identity.AskSecond)},
	{"step-up", []string{"question step_up"}, challenged(identity.AskStepUp)},
	{"passkey of anybody", []string{"question passkey"}, challenged(identity.AskPasskey)},
	{"new passkey", []string{"question enrolled"}, challenged(identity.AskEnrol)},
	{"trip to sign in", []string{"cst_", "cbd_", "aim sign_in", "key sign-in"}, func(s *scene) string { return s.away("/auth/providers/there:start", "") }},
	{"trip to link", []string{"aim link"}, func(s *scene) string { return s.away("/me/identities:start", `{"provider":"there"}`) }},
	{"trip to step up", []string{"aim step_up"}, func(s *scene) string {
		st := &stage{world: s.world}
		st.stranger()
		s.stranger = st.token
		state, _, binder := s.leave("/auth/step-up/providers/there:start", bearer(st.token), "")
		s.binders[state] = binder
		return state
	}},
	{"trip to a platform", nil, (*scene).connecting},
	{"event ticket", []string{"key event-ticket"}, func(s *scene) string { return s.got("POST", "/events/ticket")["ticket"] }},
	{"cursor", []string{"key cursor"}, func(s *scene) string { return s.got("GET", "/posts?limit=1")["next_cursor"] }},
	{"media for a plugin", []string{"key gateway"}, func(s *scene) string {
		_, pass, _ := strings.Cut(s.passes.URL(s.tenant, media.NewID(time.Now()), time.Hour), "/m/")
		return pass
	}},
	{"signing secret", []string{"whsec_"}, func(s *scene) string {
		who, err := s.registry.Resolve(s.t.Context(), s.owner, s.tenant)
		must(s.t, err)
		_, secret, err := s.events.CreateEndpoint(s.t.Context(), who, events.NewEndpoint{URL: "https://example.com/hook"})
		must(s.t, err)
		return secret
	}},
}

// opensNothing are the keys of the vault that make no token, with what they do.
var opensNothing = map[string]string{
	"key address": "names mail addresses in counters", "key operators": "names operators' addresses in counters", "key data-keys": "seals the tenants' data keys",
	"key pseudonym": "names tenants to plugins", "key audit": "signs the heads of audit chains", "key database": "derives the passwords of the serving logins",
}

// A scene is a world with somebody of each kind in it.
type scene struct {
	*world
	tenant        tenants.ID
	owner         tenants.UserID
	email         string
	token, boss   string // of the owner, and of an operator
	stranger      string // of somebody who is only known at a provider
	passes        *gateway.Signer
	binders       map[string]string // by state
	tenantHeaders map[string]string
}

func newScene(t *testing.T) *scene {
	s := &scene{world: newWorld(t, postgrestest.Open(t)), binders: map[string]string{}}
	agency := postgrestest.Child(t, s.db, postgrestest.Operator, tenants.Agency)
	s.tenant = postgrestest.Child(t, s.db, agency, tenants.Workspace)
	s.email = id.New("usr") + "@example.com"
	s.register(s.email, "four unrelated words here")
	in, err := s.people.Login(t.Context(), identity.Client{}, s.email, "four unrelated words here")
	must(t, err)
	s.owner, s.token, s.boss = in.User, in.Access.Reveal(), s.operator()
	postgrestest.Exec(t, s.db, "insert into memberships (tenant_id, user_id, role, granted_by) values ($1, $2, 'owner', 'system')", s.tenant, s.owner)
	s.tenantHeaders = bearer(s.token)
	s.tenantHeaders["Carillon-Tenant"] = string(s.tenant)
	for range 3 {
		code, _, body := s.call("POST", "/api/v1/posts", s.tenantHeaders, `{"segments":[{"text":"hello"}]}`)
		if code != 201 {
			t.Fatal(code, body)
		}
	}
	s.passes = gateway.NewSigner(vault.New(make([]byte, vault.KeySize)).Key(vault.Gateway), "https://media.test", time.Now)
	return s
}

// got is the strings of an answer to the owner.
func (s *scene) got(method, path string) map[string]string {
	s.t.Helper()
	_, _, body := s.call(method, "/api/v1"+path, s.tenantHeaders, "")
	return words(decode(s.t, body))
}

func words(v map[string]any) map[string]string {
	out := map[string]string{}
	for k, v := range v {
		out[k], _ = v.(string)
	}
	return out
}

func (s *scene) signedIn() map[string]string {
	s.t.Helper()
	in, _ := s.visit(200, "POST", "/auth/login", "", fmt.Sprintf(`{"email":%q,"password":"four unrelated words here"}`, s.email))
	return words(in)
}

func (s *scene) acting() string {
	who, err := s.admin.Authenticate(s.t.Context(), s.boss)
	must(s.t, err)
	_, token, err := s.admin.Impersonate(s.t.Context(), who, s.owner, s.tenant, "a test")
	must(s.t, err)
	return token.Reveal()
}

// fresh is a token as the identity context makes them.
func fresh(prefix string) string {
	const digits = "0123456789abcdefghjkmnpqrstvwxyz"
	raw := []byte(rand.Text() + rand.Text())
	for i, c := range raw {
		raw[i] = digits[c%32]
	}
	return prefix + string(raw)
}

func (s *scene) disowning() string {
	in, err := s.people.Login(s.t.Context(), identity.Client{}, s.email, "four unrelated words here")
	must(s.t, err)
	who, err := s.people.Authenticate(s.t.Context(), in.Access.Reveal())
	must(s.t, err)
	token := fresh("cds_")
	must(s.t, s.db.Identity().Update(s.t.Context(), func(tx identity.Tx) error {
		return tx.AddOneTime(s.t.Context(), &identity.OneTime{
			Hash: sha256.Sum256([]byte(token)), Purpose: identity.ForDisown, Subject: string(who.Session), ExpiresAt: time.Now().Add(time.Hour),
		})
	}))
	return token
}

// challenged keeps a question of a kind; its answer would have to be a passkey's.
func challenged(q identity.Question) func(*scene) string {
	return func(s *scene) string {
		who, err := s.people.Authenticate(s.t.Context(), s.token)
		must(s.t, err)
		c := &identity.Challenge{Question: q, User: s.owner, Session: who.Session, First: identity.ByPassword, Party: "example.com", State: []byte(`{}`), ExpiresAt: time.Now().Add(time.Hour)}
		if q == identity.AskSecond {
			c.Session = ""
		}
		if q == identity.AskPasskey {
			c.User, c.Session = "", ""
		}
		token := fresh("cch_")
		c.Hash = sha256.Sum256([]byte(token))
		must(s.t, s.db.Identity().Update(s.t.Context(), func(tx identity.Tx) error { return tx.AddChallenge(s.t.Context(), c) }))
		return token
	}
}

// away leaves for a provider and remembers what the browser keeps.
func (s *scene) away(path, body string) string {
	s.t.Helper()
	state, _, binder := s.leave(path, bearer(s.token), body)
	s.binders[state] = binder
	return state
}

// connecting leaves for a platform.
func (s *scene) connecting() string {
	state, binder := rand.Text(), rand.Text()
	s.binders[state] = binder
	hash := func(text string) []byte { sum := sha256.Sum256([]byte(text)); return sum[:] }
	con := s.connection(s.tenant, s.owner)
	postgrestest.Exec(s.t, s.db, "update channel_connections set stage = 'redirect', state_hash = $2, binding_hash = $3 where id = $1", con, hash(state), hash(binder))
	return state
}

// prefixes in the source, whether or not something is made with them.
var prefixed = regexp.MustCompile(`^(c[a-z]{2}_|car_|whsec_)$`)

// What makes tokens is known by its prefix, its key or its kind. A new one has
// to be in the list, and so at every door.
func TestThePurposesOfTokensAreAllKnown(t *testing.T) {
	known := map[string]bool{}
	for _, p := range purposes {
		for _, of := range p.of {
			if known[of] {
				t.Errorf("%s is of two purposes", of)
			}
			known[of] = true
		}
	}
	for of := range opensNothing {
		known[of] = true
	}
	found := map[string]string{}
	for _, key := range vault.Purposes() {
		found["key "+key] = "adapters/vault"
	}
	kinds := map[string]string{"Purpose": "purpose ", "Question": "question ", "Aim": "aim "}
	must(t, filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() && (strings.HasPrefix(d.Name(), ".") && len(d.Name()) > 2 || d.Name() == "node_modules" || d.Name() == "testdata" || d.Name() == "plugins") {
			if d != nil && d.IsDir() && err == nil {
				return fs.SkipDir
			}
			return err
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, ".gen.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, source, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.ValueSpec:
				if kind, ok := n.Type.(*ast.Ident); ok && kinds[kind.Name] != "" && strings.Contains(path, "core/identity/") {
					for _, v := range n.Values {
						text, _ := strconv.Unquote(v.(*ast.BasicLit).Value)
						found[kinds[kind.Name]+text] = path
					}
				}
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING && prefixed.MatchString(text) {
					found[text] = path
				}
			}
			return true
		})
		return nil
	}))
	for of, path := range found {
		if !known[of] {
			t.Errorf("%s in %s is of no purpose in the list", of, path)
		}
	}
	for of := range known {
		if found[of] == "" {
			t.Errorf("%s is in the list and nowhere else", of)
		}
	}
}
