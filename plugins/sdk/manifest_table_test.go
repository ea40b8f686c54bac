package sdk_test

import (
	"encoding/json"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// A manifest of testdata/manifests.json, which the SDKs in other languages are
// tested with as well.
type described struct {
	Name  string         `json:"name"`
	Set   map[string]any `json:"set"`
	Has   []string       `json:"has"`
	Field string         `json:"field"`
}

func TestManifestsOfTheTable(t *testing.T) {
	raw, err := os.ReadFile("testdata/manifests.json")
	if err != nil {
		t.Fatal(err)
	}
	var table struct {
		Base  json.RawMessage
		Cases []described
	}
	if err := json.Unmarshal(raw, &table); err != nil || len(table.Cases) < 40 {
		t.Fatalf("%d cases, %v", len(table.Cases), err)
	}
	for _, c := range table.Cases {
		t.Run(c.Name, func(t *testing.T) {
			got := ""
			if err := sdk.CheckManifest(c.manifest(t, table.Base)); err != nil {
				got = strings.TrimPrefix(fault.Of(err).Field, "/")
			}
			if got != c.Field {
				t.Errorf("refused %q, want %q", got, c.Field)
			}
		})
	}
}

func (c described) manifest(t *testing.T, base json.RawMessage) (m social.Manifest) {
	t.Helper()
	var tree map[string]any
	if err := json.Unmarshal(base, &tree); err != nil {
		t.Fatal(err)
	}
	for path, v := range c.Set {
		put(tree, strings.Split(path, "."), v)
	}
	if s, ok := tree["settings"]; ok {
		tree["settings_schema"] = s
		delete(tree, "settings")
	}
	raw, err := json.Marshal(asGo(tree))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	for _, method := range c.Has {
		m.Capabilities = append(m.Capabilities, social.Capability(method))
	}
	return m
}

func put(at any, path []string, v any) {
	switch in := at.(type) {
	case map[string]any:
		if len(path) == 1 {
			in[path[0]] = v
			return
		}
		put(in[path[0]], path[1:], v)
	case []any:
		n, _ := strconv.Atoi(path[0])
		put(in[n], path[1:], v)
	}
}

// asGo writes the wire's names and milliseconds as social.Manifest has them.
func asGo(v any) any {
	switch in := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, v := range in {
			switch name {
			case "form", "settings", "settings_schema":
				raw, _ := json.Marshal(v)
				v = raw // bytes, as JSON has them
			case "settle", "key_life", "window":
				v = v.(float64) * 1e6
			}
			out[strings.ReplaceAll(name, "_", "")] = asGo(v)
		}
		return out
	case []any:
		for i := range in {
			in[i] = asGo(in[i])
		}
	}
	return v
}
