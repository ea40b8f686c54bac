package catalogtest

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"slices"
	"sync"

	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
	"github.com/carillonhq/carillon/tenants"
)

// Bundles is a catalog.Bundles whose bundles are what Of makes.
type Bundles struct {
	mu        sync.Mutex
	Kept      map[string]bool
	Forgotten []string
}

// Of is a bundle as Bundles.Add reads it.
func Of(b catalog.Bundle) []byte {
	raw, _ := json.Marshal(b) // plain fields
	return raw
}

// Add implements catalog.Bundles.
func (b *Bundles) Add(_ context.Context, r io.Reader) (catalog.Bundle, error) {
	raw, err := io.ReadAll(r)
	if err != nil {
		return catalog.Bundle{}, err
	}
	var out catalog.Bundle
	if err := json.Unmarshal(raw, &out); err != nil {
		return out, fault.New(fault.Invalid, "bundle.malformed", "This is no bundle.")
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.Kept == nil {
		b.Kept = map[string]bool{}
	}
	b.Kept[out.Digest] = true
	return out, nil
}

// Runs implements catalog.Bundles: this machine is of platform "any".
func (b *Bundles) Runs(x catalog.Bundle) error {
	if x.Platform != "any" {
		return fault.New(fault.Invalid, "bundle.other_platform", "It is for %s.", x.Platform)
	}
	return nil
}

// Forget implements catalog.Bundles.
func (b *Bundles) Forget(_ context.Context, digest string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.Kept, digest)
	b.Forgotten = append(b.Forgotten, digest)
	return nil
}

// Apps is a catalog.Apps in memory.
type Apps struct {
	mu             sync.Mutex
	Plain, Secrets map[string]map[string]string
}

// App implements catalog.Apps.
func (a *Apps) App(_ context.Context, _ tenants.Scope, plugin string) (map[string]string, []string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return maps.Clone(a.Plain[plugin]), slices.Collect(maps.Keys(a.Secrets[plugin])), nil
}

// SetApp implements catalog.Apps.
func (a *Apps) SetApp(_ context.Context, _ tenants.Scope, plugin string, plain, secrets map[string]string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.Plain == nil {
		a.Plain, a.Secrets = map[string]map[string]string{}, map[string]map[string]string{}
	}
	a.Plain[plugin] = plain
	kept := maps.Clone(a.Secrets[plugin])
	if kept == nil {
		kept = map[string]string{}
	}
	for name, value := range secrets {
		if kept[name] = value; value == "" {
			delete(kept, name)
		}
	}
	a.Secrets[plugin] = kept
	return nil
}

// Manifest is a sound manifest.
func Manifest(plugin, version string) social.Manifest {
	return NewVersion(plugin, version, "").Manifest
}
