// The architecture, executable. Run it with `go test .` after moving anything.
package carillon_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/carillonhq/carillon/"

// may is the architecture. A package may import the standard library, its own
// subtree, the packages listed for it and those below them; nothing else in
// this module. The longest matching key applies.
//
//	cmd → adapters → core → tenants → ports
//	         └────→ plugins/sdk ──────↗
//	                plugins/* ────────↗
var may = map[string][]string{
	"ports":   {},
	"tenants": {"ports"},

	// Contexts do not know each other, except where one line says so.
	"core/identity":    {"tenants", "ports"},
	"core/events":      {"tenants", "ports"},
	"core/channels":    {"tenants", "ports"},
	"core/catalog":     {"tenants", "ports"},
	"core/idempotency": {"tenants", "ports"},
	"core/jobs":        {"tenants", "ports"},
	"core/media":       {"tenants", "ports"},
	"core/ledger":      {"tenants", "ports"},
	// An operator chooses a password by the rules that hold for people.
	"core/admin": {"tenants", "ports", "core/identity"},
	// A post names the channels it goes to and the files it shows.
	"core/publishing": {"tenants", "ports", "core/channels", "core/media"},

	// Generated messages; a plugin needs nothing else of ours.
	"plugins/proto": {},
	"plugins/sdk":   {"ports", "plugins/proto"},
	"plugins":       {"ports", "plugins/sdk"},

	"adapters": {"core", "tenants", "ports", "migrations", "policies"},
	// Every store enqueues the jobs that its transaction makes necessary, and
	// keeps the keys that the vault wraps.
	"adapters/postgres": {"core", "tenants", "ports", "migrations", "adapters/jobs", "adapters/vault"},
	// Tests bring their own server.
	"adapters/postgres/postgrestest": {"core", "tenants", "ports", "adapters/postgres", "adapters/localpg"},
	// Authors run their plugin under the real host, read what it says on the
	// wire, and write one file for that and for its bundle.
	"adapters/rehearsal":   {"ports", "adapters/pluginhost", "adapters/egress", "adapters/bundle", "plugins/sdk", "plugins/proto"},
	"adapters/conformance": {"ports", "adapters/rehearsal", "plugins/sdk"},
	"adapters/playground":  {"ports", "adapters/rehearsal", "adapters/bundle", "adapters/rules"},
	"adapters/scaffold":    {},
	"adapters/filestamp":   {},
	// A file of master keys is read as the environment is.
	"adapters/kms":    {"ports", "adapters/vault", "adapters/filestamp"},
	"adapters/bundle": {"core", "tenants", "ports", "adapters/filestamp"},
	// The host speaks the guests' wire format, locks them in, and says on whose
	// behalf they go out.
	"adapters/pluginhost": {"core", "tenants", "ports", "plugins/sdk", "plugins/proto", "adapters/sandbox", "adapters/egress", "adapters/filestamp"},
	// What the host counts, plugins count alike.
	"adapters/rules": {"core", "tenants", "ports", "plugins/sdk/textcount"},
	// A webhook goes to an address that a user chose.
	"adapters/webhooks": {"core", "tenants", "ports", "adapters/egress"},

	"cmd":        {"adapters", "core", "tenants", "ports", "migrations", "policies", "plugins"},
	"migrations": {},
	"policies":   {},
}

// pure packages import nothing but this module and the standard library.
var pure = []string{"ports", "tenants", "core", "migrations", "policies"}

// noIO are standard packages that have no business in a pure package.
var noIO = []string{"net/http", "database/sql", "os/exec", "log", "log/slog"}

// confined libraries are imported in these places and nowhere else.
var confined = map[string][]string{
	"github.com/uptrace/bun":                {"adapters/postgres"}, // one place can forget a tenant
	"github.com/jackc/pgx":                  {"adapters/postgres", "adapters/localpg", "adapters/jobs", "cmd"},
	"github.com/gofiber/fiber":              {"adapters/httpapi", "cmd/bench"}, // version 3 will be a move of one folder
	"github.com/hashicorp/go-plugin":        {"plugins/sdk", "adapters/pluginhost"},
	"github.com/riverqueue/river":           {"adapters/jobs", "adapters/postgres", "cmd"},
	"github.com/casbin/casbin":              {"adapters/casbin"},
	"github.com/golang-jwt/jwt":             {"adapters/jwt", "plugins/bluesky"}, // DPoP proofs are JWTs
	"gocloud.dev":                           {"adapters/blob"},
	"github.com/redis/go-redis":             {"adapters/httpapi", "cmd"},
	"google.golang.org/grpc":                {"plugins/sdk", "plugins/proto", "adapters/pluginhost", "adapters/rehearsal"},
	"github.com/prometheus/client_golang":   {"adapters/metrics", "cmd"},
	"go.opentelemetry.io/otel/exporters":    {"adapters/tracing", "cmd"},
	"github.com/go-playground/validator":    {"adapters/httpapi"},
	"github.com/ulule/limiter":              {"adapters/httpapi"},
	"github.com/wneessen/go-mail":           {"adapters/smtp"},
	"github.com/pressly/goose":              {"adapters/postgres"},
	"github.com/spf13/cobra":                {"cmd"},
	"golang.org/x/image":                    {"adapters/imaging", "plugins/local"}, // untrusted bytes are decoded in a child; cards decode none
	"github.com/santhosh-tekuri/jsonschema": {"adapters/rules"},
	"github.com/rivo/uniseg":                {"plugins/sdk/textcount"}, // texts are counted in one place
	"github.com/expr-lang/expr":             {"plugins/declarative"},   // what a file may compute is decided in one place
	"github.com/getkin/kin-openapi":         {"adapters/httpapi"},
	"github.com/oapi-codegen/runtime":       {"adapters/httpapi", "cmd"},
	"google.golang.org/protobuf":            {"plugins/proto", "plugins/sdk", "adapters/pluginhost", "adapters/rehearsal"},
	"golang.org/x/oauth2":                   {"adapters/oidc"}, // platforms have dialects, which adapters/oauth knows itself
	"github.com/coreos/go-oidc":             {"adapters/oidc"},
	"github.com/pquerna/otp":                {"adapters/totp"},
	"github.com/sashabaranov/go-openai":     {"plugins/openai"},
	"github.com/go-webauthn/webauthn":       {"adapters/webauthn"},
}

func TestArchitecture(t *testing.T) {
	for dir, p := range parse(t) {
		rule, ok := ruleFor(dir)
		if !ok {
			t.Errorf("%s: no rule in may; say what it is allowed to import", dir)
			continue
		}
		for imp, file := range p.imports {
			dep, ours := strings.CutPrefix(imp, module)
			isPure := underAny(dir, pure)
			switch {
			case ours && !under(dep, rule) && !underAny(dep, may[rule]):
				t.Errorf("%s imports %s: %s may import %v", file, dep, rule, may[rule])
			case !ours && isPure && strings.Contains(strings.Split(imp, "/")[0], ".") && !forTests(dir):
				t.Errorf("%s imports %s: %s is free of third-party code", file, imp, rule)
			case isPure && underAny(imp, noIO) && !forTests(dir):
				t.Errorf("%s imports %s: I/O belongs in an adapter", file, imp)
			case !ours:
				checkConfined(t, dir, imp, file)
			}
		}
		if slices.Contains(vague, path.Base(dir)) {
			t.Errorf("%s: name a package for what it provides", dir)
		}
		if p.docs != 1 && p.name != "main" && !generated(dir) {
			t.Errorf("%s: %d package comments, want one", dir, p.docs)
		}
	}
}

func checkConfined(t *testing.T, dir, imp, file string) {
	t.Helper()
	for lib, places := range confined {
		if under(imp, lib) && !underAny(dir, places) && !forTests(dir) {
			t.Errorf("%s imports %s: it is confined to %v", file, imp, places)
		}
	}
}

// forTests packages hold contracts and fakes: they may use what tests use.
func forTests(dir string) bool {
	return strings.HasSuffix(dir, "test") || strings.HasSuffix(dir, "fake")
}

func generated(dir string) bool {
	return underAny(dir, []string{"plugins/proto", "adapters/httpapi/api", "adapters/httpapi/client"})
}

var vague = []string{"util", "utils", "common", "helpers", "misc", "shared", "models", "types", "interfaces"}

type pkg struct {
	name    string
	docs    int
	imports map[string]string // import path → a file that has it
}

// parse reads the source itself, on every platform and under every build tag.
// It does not ask the go command: a test that learns through a subprocess is
// cached by go test and stays green after the code has changed.
func parse(t *testing.T) map[string]*pkg {
	pkgs := map[string]*pkg{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && name != "." && (name == "testdata" || file == "web" || name == "node_modules" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || !strings.Contains(file, "/") {
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		dir := filepath.ToSlash(filepath.Dir(file))
		if pkgs[dir] == nil {
			pkgs[dir] = &pkg{name: f.Name.Name, imports: map[string]string{}}
		}
		if f.Doc != nil {
			pkgs[dir].docs++
		}
		for _, imp := range f.Imports {
			pkgs[dir].imports[strings.Trim(imp.Path.Value, `"`)] = file
		}
		return nil
	})
	if err != nil || len(pkgs) == 0 {
		t.Fatalf("parsed %d packages: %v", len(pkgs), err)
	}
	return pkgs
}

// ruleFor finds the longest key of may that covers pkg.
func ruleFor(pkg string) (rule string, ok bool) {
	for r := pkg; r != "."; r = path.Dir(r) {
		if _, ok := may[r]; ok {
			return r, true
		}
	}
	return "", false
}

func under(pkg, dir string) bool { return pkg == dir || strings.HasPrefix(pkg, dir+"/") }

func underAny(pkg string, dirs []string) bool {
	return slices.ContainsFunc(dirs, func(d string) bool { return under(pkg, d) })
}

// unscoped lists the use cases that have no scope to ask with, and why.
var unscoped = map[string]string{
	"core/identity":             "people are of no tenant; who asks is a Client or a Principal",
	"core/admin":                "operators are of no tenant; who asks is a Who",
	"core/channels.Callback":    "a platform sends the person back; the state says who they were",
	"core/channels.Due":         "workers look for what to renew, in every tenant",
	"core/channels.Purge":       "workers clear away sign-ins nobody finished, in every tenant",
	"core/channels.TellSunsets": "workers tell every tenant what its platforms end",
	"core/channels.ForgetApps":  "a process hears that something was set, and not for whom",
	"core/ledger.Free":          "workers free what nobody came back for, in every tenant",
}

// Every use case says who is asking: the first argument of an exported method
// of a core Service is the context, the second the scope.
func TestEveryUseCaseTakesAScope(t *testing.T) {
	files, err := filepath.Glob("core/*/*.go")
	if err != nil || len(files) == 0 {
		t.Fatal(len(files), err)
	}
	for _, file := range files {
		dir := filepath.ToSlash(filepath.Dir(file))
		if strings.HasSuffix(file, "_test.go") || unscoped[dir] != "" {
			continue
		}
		fset := token.NewFileSet()
		f, err := parser.ParseFile(fset, file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range f.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv == nil || !fn.Name.IsExported() || types.ExprString(fn.Recv.List[0].Type) != "*Service" || unscoped[dir+"."+fn.Name.Name] != "" {
				continue
			}
			var in []string
			for _, p := range fn.Type.Params.List {
				in = append(in, types.ExprString(p.Type))
			}
			if len(in) < 2 || in[0] != "context.Context" || in[1] != "tenants.Scope" {
				t.Errorf("%s: Service.%s(%s) does not say who is asking",
					fset.Position(fn.Pos()), fn.Name, strings.Join(in, ", "))
			}
		}
	}
}

// counters are what a text would be measured with anew.
var counters = map[string]bool{"utf8.RuneCountInString": true, "utf8.RuneCount": true, "utf16.Encode": true, "utf16.AppendRune": true}

// A text that a plugin takes is not too long for the host, and a fake refuses
// what its platform's plugin does: all of them count with plugins/sdk/textcount.
// Other measures are the columns of a mistake in a file.
func TestTextsAreCountedInOnePlace(t *testing.T) {
	err := filepath.WalkDir("plugins", func(file string, d fs.DirEntry, err error) error {
		file = filepath.ToSlash(file)
		if err != nil || d.IsDir() && (d.Name() == "node_modules" || file == "plugins/sdk/textcount") {
			if d != nil && d.IsDir() && err == nil {
				return fs.SkipDir
			}
			return err
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || file == "plugins/declarative/mistake.go" {
			return nil
		}
		files := token.NewFileSet()
		f, err := parser.ParseFile(files, file, nil, 0)
		if err != nil {
			return err
		}
		for _, imp := range f.Imports {
			if strings.HasPrefix(strings.Trim(imp.Path.Value, `"`), "github.com/rivo/uniseg") {
				t.Errorf("%s counts graphemes itself: plugins/sdk/textcount does", file)
			}
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if e, ok := n.(*ast.SelectorExpr); ok && counters[types.ExprString(e)] {
				t.Errorf("%s: %s: plugins/sdk/textcount counts texts", files.Position(e.Pos()), types.ExprString(e))
			}
			return true
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
