package plugins_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// Every document of this folder is followed as its reader would, block by
// block, in a home of its own with Carillon's source at ~/carillon. A block
// that nobody executes is an error. The words behind a block's language:
//
//	sh                  commands, in order, in one shell; output follows as text
//	sh terminal=2       commands that go on, in a second terminal
//	sh fails            commands that are to fail
//	text                what the commands before say; "…" is anything
//	LANG file=NAME      a file in the shell's folder, used by later commands
//	… lines=N           a file that has at most so many lines
//	… func=F import=P   only that function of it, and what it imports
//	LANG from=NAME      a passage of a file of this repository
//	yaml as=test        the part of a carillon.yaml about tests
//	json                data, which is parsed
type document struct {
	before func(*reader) // what the document takes for granted
	after  string        // commands that show that what was written works
}

var documents = map[string]document{
	"README.md":              {},
	"catalog.md":             {before: anInstallationAndAClub},
	"contract.md":            {},
	"declarative.md":         {},
	"errors.md":              {},
	"go.md":                  {before: theGoExample, after: "carillon plugin test --quiet ."},
	"kit.md":                 {},
	"operation.md":           {},
	"publishing-a-plugin.md": {before: anInstallation},
	"python.md":              {before: thePythonExample, after: "carillon plugin test --quiet ."},
	"tutorial.md":            {},
	"typescript.md":          {before: theTypeScriptExample, after: "carillon plugin test --quiet ."},
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.RemoveAll(programs)
	os.Exit(code)
}

func TestEveryBlockOfEveryDocument(t *testing.T) {
	found, err := filepath.Glob("*.md")
	must(t, err)
	for _, name := range found {
		if _, ok := documents[name]; !ok {
			t.Errorf("%s: nobody executes it", name)
		}
	}
	for name, doc := range documents {
		t.Run(name, func(t *testing.T) {
			t.Parallel() // most of it is waiting
			raw, err := os.ReadFile(name)
			must(t, err)
			blocks, err := blocksOf(string(raw))
			must(t, err)
			if len(blocks) > 0 {
				read(t, name, blocks, doc)
			}
		})
	}
}

// A reader follows one document.
type reader struct {
	*testing.T
	name, home, dir string
	env             []string
	moved           ports
	terminals       map[string]*shell
	before          block  // whose output comes next
	said            string // by it, if it has ended
	unused          []block
}

func read(t *testing.T, name string, blocks []block, doc document) {
	r := &reader{T: t, name: name, home: homeOf(t), moved: freePorts(t), terminals: map[string]*shell{}}
	r.dir, r.env = r.home, environment(t, r.home)
	if doc.before != nil {
		doc.before(r)
	}
	for _, b := range blocks {
		r.follow(b)
	}
	if doc.after != "" {
		r.commands(block{Text: doc.after})
	}
	for _, b := range r.unused {
		t.Errorf("%s:%d: nothing uses this file", name, b.Line)
	}
	for terminal, sh := range r.terminals {
		if said, failed := sh.failed(); failed && terminal != "" {
			t.Errorf("%s: terminal %s: it failed and said\n%s", name, terminal, said)
		}
	}
}

func (r *reader) follow(b block) {
	r.Helper()
	if r.name != "" {
		r.Logf("%s:%d: %s", r.name, b.Line, b.Lang)
	}
	if most, err := strconv.Atoi(b.Words["lines"]); err == nil && strings.Count(b.Text, "\n") > most {
		r.Errorf("%s:%d: more than %d lines", r.name, b.Line, most)
	}
	switch {
	case b.Lang == "sh" && b.has("terminal"):
		r.terminal(b.Words["terminal"]).begin("set -e\ncd " + r.dir + "\n" + r.moved.there(b.Text))
		r.before, r.said = b, ""
	case b.Lang == "sh":
		r.commands(b)
	case b.Lang == "text":
		r.output(b)
	case b.has("from"):
		must(r.T, passage(b))
	case b.has("file"):
		must(r.T, r.write(b))
		r.unused = append(r.unused, b)
	default:
		must(r.T, parse(r.T, b))
	}
}

func (r *reader) commands(b block) {
	r.Helper()
	said, dir := r.terminal("").run(r.moved.there(b.Text), b.has("fails"))
	r.before, r.said, r.dir, r.unused = b, r.moved.back(said), dir, nil
}

func (r *reader) output(b block) {
	r.Helper()
	switch {
	case r.before.Lang != "sh":
		r.Fatalf("%s:%d: output of nothing", r.name, b.Line)
	case r.before.has("terminal"):
		said, ok := r.terminal(r.before.Words["terminal"]).until(func(said string) bool { return saidSoFar(r.moved.back(said), b.Text) })
		if !ok {
			r.Fatalf("%s:%d: it said\n%s", r.name, b.Line, r.moved.back(said))
		}
	case !said(r.said, b.Text):
		r.Fatalf("%s:%d: it said\n%s", r.name, b.Line, r.said)
	}
	r.before = block{}
}

func (r *reader) terminal(name string) *shell {
	r.Helper()
	if r.terminals[name] == nil {
		r.terminals[name] = openShell(r.T, r.home, r.env, "cd "+r.dir+"\n"+fmt.Sprintf(prologue, r.moved["8788"], r.moved["8780"], r.moved["8781"], r.moved["8789"], r.moved["8782"]))
	}
	return r.terminals[name]
}

// prologue lets Carillon listen elsewhere than it says: where it would may be
// another one, such as yours.
const prologue = `carillon() {
	case "$1 $2" in
	"dev "*) shift; command carillon dev --addr 127.0.0.1:%s --network-addr 127.0.0.1:%s --mail-addr 127.0.0.1:%s --metrics-addr 127.0.0.1:%s "$@";;
	"plugin dev") shift 2; command carillon plugin dev --addr 127.0.0.1:%s "$@";;
	*) command carillon "$@";;
	esac
}
`

// ports are the free ones by those in the documents.
type ports map[string]string

var documented = regexp.MustCompile(`\b(4100|878[01289])\b`)

func freePorts(t *testing.T) ports {
	t.Helper()
	out := ports{}
	for _, port := range []string{"4100", "8780", "8781", "8782", "8788", "8789"} {
		for taken := true; taken; _, taken = given.LoadOrStore(out[port], t.Name()) {
			ln, err := net.Listen("tcp", "127.0.0.1:0")
			must(t, err)
			defer func() { _ = ln.Close() }()
			_, out[port], err = net.SplitHostPort(ln.Addr().String())
			must(t, err)
		}
	}
	return out
}

// given are the ports that a document has: no other gets them.
var given sync.Map

// there is text with the ports that are used here.
func (p ports) there(text string) string {
	return documented.ReplaceAllStringFunc(text, func(port string) string { return p[port] })
}

// back is text with the ports of the documents.
func (p ports) back(text string) string {
	for port, here := range p {
		text = strings.ReplaceAll(text, ":"+here, ":"+port)
	}
	return text
}

// homeOf is a new home. The users that databases and plugins run as can get in.
func homeOf(t *testing.T) string {
	t.Helper()
	home, err := os.MkdirTemp("", "home")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(home) })
	must(t, os.Chmod(home, 0o755))
	must(t, os.Symlink(repository(t), filepath.Join(home, "carillon")))
	must(t, os.Mkdir(filepath.Join(home, "bin"), 0o755))
	made, err := carillon()
	must(t, err)
	must(t, os.Symlink(made, filepath.Join(home, "bin", "carillon")))
	return home
}

func repository(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../..")
	must(t, err)
	return dir
}

// programs is where what is compiled lies.
var programs string

// carillon is the program, built once.
var carillon = sync.OnceValues(func() (string, error) {
	var err error
	if programs, err = os.MkdirTemp("", "carillon"); err != nil {
		return "", err
	}
	if err := os.Chmod(programs, 0o755); err != nil {
		return "", err
	}
	out, err := exec.Command("go", "build", "-trimpath", "-ldflags=-s", "-o", programs+"/", "../../cmd/carillon", "../../plugins/examples/chirpfake/cmd/chirpfake").CombinedOutput()
	if err != nil {
		err = errors.Join(err, errors.New(string(out)))
	}
	return filepath.Join(programs, "carillon"), err
})

// environment is what a reader's shell knows. Go finds what was compiled and
// downloaded before, whatever the home is called, and asks nobody.
func environment(t *testing.T, home string) []string {
	t.Helper()
	raw, err := exec.Command("go", "env", "GOCACHE", "GOMODCACHE", "GOROOT").Output()
	must(t, err)
	of := strings.Split(strings.TrimSpace(string(raw)), "\n")
	state := filepath.Join(home, "state")
	return []string{
		"HOME=" + home, "LANG=C.UTF-8", "CARILLON_STATE_DIR=" + state, "CARILLON_LOG_LEVEL=error", "CARILLON_PYTHON=" + os.Getenv("CARILLON_PYTHON"),
		"PG_BINDIR=" + os.Getenv("PG_BINDIR"), "GOCACHE=" + of[0], "GOMODCACHE=" + of[1], "GOPROXY=off", "GOFLAGS=-trimpath -ldflags=-s", "GOTOOLCHAIN=local",
		"PATH=" + filepath.Join(home, "bin") + ":" + filepath.Join(of[2], "bin") + ":" + os.Getenv("PATH"),
	}
}
