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
	for text, want := range map[string]Mode{"": Best, "best": Best, "required": Required, "off": Off, "required:network,files": "required:network,files"} {
		if got, err := ParseMode(text); err != nil || got != want {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
	for _, text := range []string{"Required ", "required:", "required:network,", "required:tcp", "best:files", "network"} {
		if _, err := ParseMode(text); err == nil {
			t.Errorf("%q passed", text)
		}
	}
}

func TestWhatAModeRequires(t *testing.T) {
	whole := Level{Parts: parts()}
	for name, tt := range map[string]struct {
		mode  Mode
		level Level
		lacks string
	}{
		"all, and all is there":     {Required, whole, ""},
		"all, and some is not":      {Required, whole.Without("old", disk), "disk"},
		"what is there":             {"required:network,files", whole.Without("old", disk), ""},
		"one that is not":           {"required:network,files", whole.Without("old", abstract), "network: abstract unix sockets (old)"},
		"nothing is there":          {"required:files", nothing("old"), "files: files (old)"},
		"best":                      {Best, nothing("old"), ""},
		"a group with other's part": {"required:memory", whole.Without("old", processes), ""},
	} {
		if got := tt.mode.lacks(tt.level); (got == "") != (tt.lacks == "") || !strings.Contains(got, tt.lacks) {
			t.Errorf("%s: %q, want %q", name, got, tt.lacks)
		}
	}
	inGroups := map[string]bool{}
	for _, of := range groupsOfParts {
		for _, name := range of {
			inGroups[name] = true
		}
	}
	for _, p := range parts() {
		if !inGroups[p.Name] {
			t.Errorf("%s: in no group, so it cannot be required by name", p.Name)
		}
	}
}
