package egress

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A plugin is one line whatever grants it has and had, and no counter falls.
func TestUsageIsByPlugin(t *testing.T) {
	p, err := ListenProxy(New(Options{}), Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Close() }()
	one, two, other := p.Grant("a", nil), p.Grant("a", nil), p.Grant("b", nil)
	one.requests.Add(2)
	one.sent.Add(20)
	two.requests.Add(3)
	two.refused.Add(1)
	other.received.Add(7)
	want := []Usage{{Plugin: "a", Requests: 5, Refused: 1, Sent: 20}, {Plugin: "b", Received: 7}}
	for range 2 {
		if diff := cmp.Diff(want, p.Usage()); diff != "" {
			t.Errorf("-want +got:\n%s", diff)
		}
		one.Revoke()
		one.Revoke()
	}
	p.Grant("a", nil).requests.Add(1)
	want[0].Requests++
	two.Revoke()
	other.Revoke()
	if diff := cmp.Diff(want, p.Usage()); diff != "" {
		t.Errorf("at last, -want +got:\n%s", diff)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.passes) != 1 {
		t.Errorf("%d tokens live, want that of the last grant", len(p.passes))
	}
}
