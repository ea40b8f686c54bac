// Package declarative runs a platform that is one file: plugin.yaml.
//
// A platform whose flow is plain HTTP needs no program. Its file lists the
// requests of each step, how their answers map to accounts, receipts and
// faults, and which one step is the commit; this package is the program for all
// of them. What a file must not get wrong it cannot say: a commit is sent once
// by sdk.Commit, an answer that no rule explains leaves its outcome open, hosts
// are written out so that no value chooses where a token goes, and secrets are
// struck from whatever is noted or said.
//
// Expressions are those of expr-lang: it checks them against Go types when the
// file is loaded, says line and column, has ?. and ?? for answers that leave
// things out, and brings no dependencies. It is cut down here, see
// expression.go, so that an expression's cost is bounded before it runs.
//
// Start with Load; file.go is the grammar, publish.go the steps.
package declarative

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// Options of a declarative plugin.
type Options struct {
	HTTP *http.Client // nil means sdk.HTTPClient
	// Upstream sends what goes to a host to another address instead, such as
	// "api.example.com" to "http://127.0.0.1:4000": a simulator's. Only loopback
	// addresses are taken.
	Upstream map[string]string
}

// FromEnv reads CARILLON_DECLARATIVE_UPSTREAM: HOST=URL pairs, separated by
// spaces.
func FromEnv(getenv func(string) string) Options {
	opt := Options{Upstream: map[string]string{}}
	for _, pair := range strings.Fields(getenv("CARILLON_DECLARATIVE_UPSTREAM")) {
		if host, to, ok := strings.Cut(pair, "="); ok {
			opt.Upstream[host] = to
		}
	}
	return opt
}

// Open loads the file at path, or plugin.yaml in the folder at path.
func Open(path string, opt Options) (social.Platform, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		path = filepath.Join(path, "plugin.yaml")
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxFile {
		return nil, fmt.Errorf("%s: a file has at most %d bytes", path, maxFile)
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return Load(path, raw, opt)
}

// Load makes a platform of a file; name stands in errors. What is wrong with
// the file comes back as *Flaw values, joined, each with line, column and field.
func Load(name string, raw []byte, opt Options) (social.Platform, error) {
	f := &flaws{file: name, keys: map[string]place{}}
	file := parse(raw, f)
	if f.err() != nil {
		return nil, f.err()
	}
	check(file, f)
	if f.err() != nil {
		return nil, f.err()
	}
	if err := redirected(opt.Upstream); err != nil {
		return nil, err
	}
	p := &plugin{file: file, http: opt.HTTP, upstream: maps.Clone(opt.Upstream)}
	p.short = file.ID[strings.LastIndex(file.ID, ".")+1:]
	if p.http == nil {
		p.http = sdk.HTTPClient()
	}
	p.manifest = p.describe()
	if _, err := sdk.Describe(p); err != nil {
		field := strings.TrimPrefix(fault.Of(err).Field, "/")
		where, known := f.keys[strings.ReplaceAll(field, "/", ".")]
		if top, _, _ := strings.Cut(field, "/"); !known {
			where = f.keys[top]
		}
		where.field = strings.ReplaceAll(field, "/", ".")
		f.add(where, "%s", fault.Of(err).Message)
		return nil, f.err()
	}
	return p, nil
}

func redirected(upstream map[string]string) error {
	for host, to := range upstream {
		u, err := url.Parse(to)
		if err != nil || u.Scheme != "http" || u.Hostname() != "127.0.0.1" && u.Hostname() != "localhost" && u.Hostname() != "::1" {
			return errors.New("the upstream of " + host + " is not http on a loopback address")
		}
	}
	return nil
}

// plugin is the platform of one file. It keeps nothing between calls.
type plugin struct {
	file     *File
	short    string // what the slugs of its faults begin with
	http     *http.Client
	upstream map[string]string
	manifest social.Manifest
}

// Manifest implements social.Platform.
func (p *plugin) Manifest() social.Manifest { return p.manifest }

var (
	_ social.Connector = (*plugin)(nil)
	_ social.Lister    = (*plugin)(nil)
	_ social.Finder    = (*plugin)(nil)
	_ social.Meter     = (*plugin)(nil)
	_ social.Partial   = (*plugin)(nil)
)

// Has implements social.Partial: what a file has something for, it can.
func (p *plugin) Has(c social.Capability) bool {
	switch c {
	case social.CanConnect:
		return p.file.Auth.Kind == "form"
	case social.CanFind:
		return p.file.Find != nil
	case social.CanMetrics:
		return p.file.Metrics != nil
	case social.CanReply:
		return p.file.Reply
	}
	return c == social.CanAccounts
}
