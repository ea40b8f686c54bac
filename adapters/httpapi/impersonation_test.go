package httpapi_test

import (
	"slices"
	"testing"
)

// inPerson are the actions that an operator who acts as somebody is kept from,
// wherever they change something: what they open outlives the half hour.
var inPerson = []string{"access.grant", "access.request", "key.manage", "tenant.transfer"}

// What is for a person alone says so in the contract, and nowhere else.
func TestWhatIsForAPersonAlone(t *testing.T) {
	_, routes := contract(t)
	for _, r := range routes {
		action, _ := r.op.Extensions["x-action"].(string)
		alone := r.op.Extensions["x-no-impersonation"] == true
		changes := r.method != "GET"
		switch {
		case alone || !changes || action == "":
		case slices.Contains(inPerson, action):
			t.Errorf("%s (%s) does not say x-no-impersonation", r.op.OperationID, action)
		case r.op.Extensions["x-step-up"] == true && action != "plugin.manage": // that is the operator's own
			t.Errorf("%s asks who it is once more, and not whether it is they", r.op.OperationID)
		}
	}
}
