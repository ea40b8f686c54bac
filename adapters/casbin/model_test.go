package casbin

import (
	"testing"

	casbin "github.com/casbin/casbin/v2"
)

// The model reads each part of a rule, also those that the rules of today do
// not need.
func TestEachPartOfARuleCounts(t *testing.T) {
	e, err := enforcer("p, viewer, ten_a, post.read\np2, free, post.read\np3, operator, plugin.manage\np3, agency, brand.manage\ng, editor, viewer\ng2, pro, free\n")
	if err != nil {
		t.Fatal(err)
	}
	second, third := casbin.NewEnforceContext("2"), casbin.NewEnforceContext("3")
	for name, tc := range map[string]struct {
		ask  []any
		want bool
	}{
		"as it is": {[]any{"viewer", "ten_a", "post.read"}, true}, "by who has it": {[]any{"editor", "ten_a", "post.read"}, true},
		"in another tenant": {[]any{"viewer", "ten_b", "post.read"}, false}, "as another role": {[]any{"client", "ten_a", "post.read"}, false},
		"something else": {[]any{"viewer", "ten_a", "post.edit"}, false},
		"a plan":         {[]any{second, "pro", "post.read"}, true}, "another plan": {[]any{second, "none", "post.read"}, false}, "something else on a plan": {[]any{second, "pro", "post.edit"}, false},
		"a kind": {[]any{third, "agency", "brand.manage"}, true}, "another kind": {[]any{third, "operator", "brand.manage"}, false}, "something else of a kind": {[]any{third, "agency", "plugin.manage"}, false},
	} {
		if got, err := e.Enforce(tc.ask...); got != tc.want || err != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
}
