package main

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/cmd/internal/firstparty"
)

// pluginsName is the program beside this one that holds the plugins alone. A
// process of it has less than half the memory that one of this program has.
const pluginsName = "carillon-plugins"

// pluginsDigest is the hexadecimal SHA-256 of the pluginsName that was built
// with this program. The linker sets it; empty, there is none.
var pluginsDigest string

// pluginProgram is what runs first-party and declarative plugins.
type pluginProgram struct {
	path   string
	file   *os.File // held open, so that an upgrade's file is never started by an older host; nil: this program
	digest string
}

// run is c, run by this program.
func (p pluginProgram) run(c pluginhost.Config) pluginhost.Config {
	c.Binary, c.Program, c.Digest, c.Args = p.path, p.file, p.digest, firstparty.Args
	return c
}

// programOfPlugins finds it and says how. This program is sufficient: whatever
// is wrong with the other, this one is run.
func programOfPlugins() (pluginProgram, string) {
	self, err := os.Executable()
	if err != nil {
		return pluginProgram{}, thisProgram(err)
	}
	return programBeside(self, pluginsDigest)
}

func thisProgram(why error) string { return "this program itself: " + why.Error() }

func programBeside(self, digest string) (pluginProgram, string) {
	if digest == "" {
		return pluginProgram{}, thisProgram(errors.New("it was built without " + pluginsName))
	}
	if real, err := filepath.EvalSymlinks(self); err == nil {
		self = real
	}
	p := pluginProgram{path: filepath.Join(filepath.Dir(self), pluginsName), digest: digest}
	var err error
	if p.file, err = openVerified(p.path, digest); err != nil {
		return pluginProgram{}, thisProgram(err)
	}
	return p, p.path
}

// openVerified opens a program that has that digest.
func openVerified(path, digest string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no " + path)
	}
	if err != nil {
		return nil, err
	}
	h := sha256.New()
	if _, err = io.Copy(h, f); err == nil && hex.EncodeToString(h.Sum(nil)) != digest {
		err = errors.New(path + " is of another build")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}
