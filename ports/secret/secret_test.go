package secret_test

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/ports/secret"
)

const canary = "canary-6f1d"

func TestASecretIsNeverPrinted(t *testing.T) {
	s := secret.Secret(canary)
	holder := struct {
		Token secret.Secret
		Ptr   *secret.Secret
	}{s, &s}

	var out strings.Builder
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%e"} {
		fmt.Fprintf(&out, verb+"\n", s)
		fmt.Fprintf(&out, verb+"\n", []secret.Secret{s})
		fmt.Fprintf(&out, verb+"\n", map[string]secret.Secret{"k": s})
	}
	fmt.Fprintf(&out, "%v %+v %#v\n", holder, holder, holder)
	fmt.Fprint(&out, fmt.Errorf("wrapped: %v", s))
	for _, h := range []slog.Handler{slog.NewTextHandler(&out, nil), slog.NewJSONHandler(&out, nil)} {
		slog.New(h).Info("signed in", "token", s, "holder", holder)
	}
	b, err := json.Marshal(holder)
	if err != nil {
		t.Fatal(err)
	}
	out.Write(b)

	for _, leak := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
		if i := strings.Index(out.String(), leak); i >= 0 {
			t.Errorf("%q is in the output: …%s", leak, out.String()[max(0, i-40):i+len(leak)])
		}
	}
	if n := strings.Count(out.String(), "***"); n < 30 {
		t.Errorf("%d masks, the test no longer prints what it should", n)
	}
}

func TestASecretCanBeReadFromJSON(t *testing.T) {
	var in struct{ Password secret.Secret }
	if err := json.Unmarshal([]byte(`{"Password":"`+canary+`"}`), &in); err != nil || in.Password.Reveal() != canary {
		t.Errorf("%q, %v", in.Password.Reveal(), err)
	}
}
