package pluginhost

import (
	"fmt"
	"testing"
)

// However many accounts a tenant has that fail, it closes the platform to
// nobody but them.
func TestOneTenantsTroubleIsItsOwn(t *testing.T) {
	c := newClockwork()
	for i := range 40 {
		c.callOf("one", "publish", fmt.Sprint("a", i%8), "", unreachable)
	}
	if f := c.callOf("two", "publish", "b", "", nil); f != nil {
		t.Errorf("another tenant is refused: %+v", f)
	}
	c = newClockwork()
	for i := range 8 {
		c.callOf("one", "publish", fmt.Sprint("a", i), "", unreachable)
	}
	c.callOf("two", "publish", "b", "", unreachable)
	if f := c.callOf("three", "publish", "c", "", nil); f == nil || f.Key != "platform.down" {
		t.Errorf("two tenants see it: %+v", f)
	}
}
