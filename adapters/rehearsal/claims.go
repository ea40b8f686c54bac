package rehearsal

import (
	"slices"
	"sync"

	"github.com/carillonhq/carillon/ports/social"
)

// Taken is the key of the fault that a receipt leads to which names the object of
// another post.
const Taken = "segment.ref_taken"

// claims are which object of the platform stands for which post. The kernel
// gives an object to one post only, whatever a plugin answers.
type claims struct {
	mu sync.Mutex
	of map[string]string // by the object's name, the operation
}

// claim gives the object of a receipt to an operation. It is false if the object
// is another's already.
func (c *claims) claim(r *social.Receipt, operation string) bool {
	if r == nil || r.Ref.ID == "" {
		return true // nothing to give
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of == nil {
		c.of = map[string]string{}
	}
	if holder, ok := c.of[r.Ref.ID]; ok {
		return holder == operation
	}
	c.of[r.Ref.ID] = operation
	return true
}

// others are the objects that stand for other operations.
func (c *claims) others(operation string) (names []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, holder := range c.of {
		if holder != operation {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}
