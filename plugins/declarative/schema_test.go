package declarative_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"

	"github.com/carillonhq/carillon/plugins/declarative"
)

var update = flag.Bool("update", false, "write plugin.schema.json")

func TestTheSchemaIsTheOneCommitted(t *testing.T) {
	want, err := declarative.Schema()
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile("plugin.schema.json", want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile("plugin.schema.json")
	if err != nil || !bytes.Equal(got, want) {
		t.Error("plugin.schema.json is stale: go test ./plugins/declarative -update", err)
	}
}

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	raw, err := declarative.Schema()
	if err != nil {
		t.Fatal(err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(declarative.SchemaURL, doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile(declarative.SchemaURL)
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asEditor reads a file as an editor does.
func asEditor(t *testing.T, raw []byte) any {
	t.Helper()
	var doc yaml.Node
	var v any
	if err := yaml.Unmarshal(raw, &doc); err != nil {
		t.Fatal(err)
	}
	days(&doc)
	if err := doc.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// days are words to an editor.
func days(n *yaml.Node) {
	if n.Tag == "!!timestamp" {
		n.Tag = "!!str"
	}
	for _, one := range n.Content {
		days(one)
	}
}

func TestTheSchemaTakesGoodFiles(t *testing.T) {
	files, err := filepath.Glob("../*/plugin.yaml")
	if err != nil || len(files) < 2 {
		t.Fatal(files, err)
	}
	schema := compiled(t)
	for _, file := range append(files, "testdata/forum.yaml") {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := schema.Validate(asEditor(t, raw)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if _, err := declarative.Load(file, raw, declarative.Options{}); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}
