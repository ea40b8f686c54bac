package carillon_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// clients are the places that may make an HTTP client, and why. Everything
// else takes one from adapters/egress, which knows the addresses that nobody
// may be sent to.
var clients = map[string]string{
	"adapters/egress":               "it is the way out",
	"adapters/httpapi/client":       "the API's own client, generated: for callers, the server does not use it",
	"plugins/sdk":                   "in the plugin's process, which reaches the network through the egress proxy only",
	"adapters/rehearsal":            "runs on an author's machine, and calls the fake of a platform alone",
	"cmd/bench":                     "drives an installation of its own from outside",
	"cmd/crash":                     "drives an installation of its own from outside",
	"cmd/peers":                     "drives an installation of its own from outside",
	"cmd/internal/person":           "plays a person for these drivers",
	"cmd/mutate":                    "drives an installation of its own from outside",
	"cmd/internal/proc":             "asks a driver's own programs whether they are up",
	"cmd/carillon/story.go":         "plays the person in front of the demonstration",
	"cmd/carillon/story_publish.go": "plays the person in front of the demonstration",
}

// dialers are the places that may open a connection or ask for a name by
// themselves, and why.
var dialers = map[string]string{
	"adapters/egress":    "it is the way out",
	"adapters/sandbox":   "tries what a sandbox lets through, and takes a plugin's connections to the egress proxy",
	"adapters/dns":       "asks for the records that prove a host; it connects to none",
	"adapters/rehearsal": "runs on an author's machine, and calls the fake of a platform alone",
	"plugins/sdk":        "in the plugin's process, which reaches the network through the egress proxy only",
}

// dials are what net and crypto/tls offer to whoever wants to.
var dials = map[string][]string{
	"net":        {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialUnix", "DialIP", "Dialer", "Resolver", "DefaultResolver", "LookupHost", "LookupIP", "LookupAddr", "LookupTXT", "LookupMX", "LookupCNAME", "LookupNS", "LookupSRV"},
	"crypto/tls": {"Dial", "DialWithDialer", "Dialer"},
	"net/smtp":   {"Dial", "SendMail"},
	"net/rpc":    {"Dial", "DialHTTP"},
}

func TestOnlyEgressDials(t *testing.T) {
	used := map[string]bool{}
	for file, f := range sources(t) {
		for path, names := range dials {
			for _, way := range usesOf(f, path, names) {
				place := ""
				for p := range dialers {
					if under(file, p) {
						place = p
					}
				}
				used[place] = true
				if place == "" {
					t.Errorf("%s uses %s.%s: connect through adapters/egress", file, path, way)
				}
			}
		}
	}
	for place := range dialers {
		if !used[place] {
			t.Errorf("%s dials nothing: strike it off", place)
		}
	}
}

// usesOf names what f uses of a package.
func usesOf(f *ast.File, path string, names []string) (found []string) {
	name := importedAs(f, path)
	ast.Inspect(f, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok && name != "" {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == name && slices.Contains(names, sel.Sel.Name) {
				found = append(found, sel.Sel.Name)
			}
		}
		return true
	})
	return found
}

func importedAs(f *ast.File, path string) (name string) {
	for _, imp := range f.Imports {
		if imp.Path.Value == strconv.Quote(path) {
			if name = path[strings.LastIndexByte(path, '/')+1:]; imp.Name != nil {
				name = imp.Name.Name
			}
		}
	}
	return name
}

// ways are what net/http offers to whoever wants out without asking.
var ways = []string{"DefaultClient", "DefaultTransport", "Get", "Head", "Post", "PostForm"}

func TestOnlyEgressMakesHTTPClients(t *testing.T) {
	used := map[string]bool{}
	for file, f := range sources(t) {
		for _, way := range waysOut(f) {
			place := placeOf(file)
			used[place] = true
			if place == "" {
				t.Errorf("%s uses http.%s: take a client from adapters/egress", file, way)
			}
		}
	}
	for place := range clients {
		if !used[place] {
			t.Errorf("%s makes no client: strike it off", place)
		}
	}
}

func TestWaysOutAreSeen(t *testing.T) {
	for source, want := range map[string]bool{
		`var c = http.Client{}`:                                        true,
		`var c = &http.Client{Timeout: 1}`:                             true,
		`var c = new(http.Client)`:                                     true,
		`var c http.Client`:                                            true,
		`type t struct{ http.Transport }`:                              true,
		`var t = &http.Transport{}`:                                    true,
		`var t = http.DefaultTransport`:                                true,
		`func f() { http.Get("") }`:                                    true,
		`func f(c *http.Client) { c.Get("") }`:                         false,
		`var t, ok = any(nil).(*http.Transport)`:                       false,
		`var m = http.MethodGet; var h http.Header; var x = h.Get("")`: false,
	} {
		f, err := parser.ParseFile(token.NewFileSet(), "x.go", "package x; import \"net/http\"; "+source, 0)
		if err != nil {
			t.Fatal(source, err)
		}
		if got := waysOut(f); (len(got) > 0) != want {
			t.Errorf("%s: found %v", source, got)
		}
	}
}

func placeOf(file string) string {
	for place := range clients {
		if under(file, place) {
			return place
		}
	}
	return ""
}

// waysOut names what f uses of net/http to make a client or go without one. A
// pointer to a client is one that somebody else made.
func waysOut(f *ast.File) (found []string) {
	name := importedAs(f, "net/http")
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.StarExpr:
			return false
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && name != "" && x.Name == name &&
				(n.Sel.Name == "Client" || n.Sel.Name == "Transport" || slices.Contains(ways, n.Sel.Name)) {
				found = append(found, n.Sel.Name)
			}
		}
		return true
	})
	return found
}

// sources parses every file of the program; tests and fakes call themselves.
func sources(t *testing.T) map[string]*ast.File {
	t.Helper()
	out := map[string]*ast.File{}
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := d.Name(); d.IsDir() && name != "." && (name == "testdata" || name == "web" && file == "web" || name == "node_modules" || strings.HasPrefix(name, ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go") || forTests(filepath.ToSlash(filepath.Dir(file))) {
			return nil
		}
		out[filepath.ToSlash(file)], err = parser.ParseFile(token.NewFileSet(), file, nil, 0)
		return err
	})
	if err != nil || len(out) == 0 {
		t.Fatalf("parsed %d files: %v", len(out), err)
	}
	return out
}
