package sandbox_test

import (
	"os"
	"testing"

	"github.com/carillonhq/carillon/adapters/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

func TestEffective(t *testing.T) {
	l := sandbox.Effective()
	t.Log(l)
	for _, p := range l.Parts {
		t.Logf("%-24s %s", p.Name, p.Missing)
	}
}
