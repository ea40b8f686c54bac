package sandbox

import (
	"strings"
	"testing"
)

func TestLevelNames(t *testing.T) {
	whole := Level{Parts: parts(), By: []string{"magic"}}
	for name, tt := range map[string]struct {
		level Level
		want  string
	}{
		"full":    {whole, "full; by magic"},
		"partial": {whole.Without("why not", tcp), "partial, without tcp (why not); by magic"},
		"none":    {nothing("old"), "none (old)"},
		"zero":    {Level{}, "none"},
	} {
		if got := tt.level.String(); got != tt.want || !strings.HasPrefix(got, tt.level.Name()) {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
	if whole.Name() != "full" {
		t.Error("Without changed what it was asked of")
	}
}

func TestParseMode(t *testing.T) {
	for text, want := range map[string]Mode{"": Best, "best": Best, "required": Required, "off": Off} {
		if got, err := ParseMode(text); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	if _, err := ParseMode("Required "); err == nil {
		t.Error("nonsense passed")
	}
}
