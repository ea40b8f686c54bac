package declarative_test

import (
	"os"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/declarative"
)

const page = "../../docs/plugins/declarative.md"

func TestTheExampleInTheDocsLoads(t *testing.T) {
	raw, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(raw), "```yaml\n")
	example, _, ok := strings.Cut(rest, "```")
	if !ok {
		t.Fatal("no example")
	}
	if _, err := declarative.Load("docs", []byte(example), declarative.Options{}); err != nil {
		t.Error(err)
	}
	_, err = declarative.Load("plugin.yaml", []byte(strings.Replace(example, "secrets.key", "secrets.token", 1)), declarative.Options{})
	if err == nil || !strings.Contains(string(raw), err.Error()) {
		t.Errorf("the docs do not show %v", err)
	}
}
