//go:build faultpoints

package publishing

import "context"

// Forget turns the protocol off: a segment whose outcome is unknown is sent
// again, as products do that mark a post after sending it. It is the control
// of the fault driver, which must see duplicates then, and is in no other build.
func (r *Runner) Forget() {
	r.doubt = func(ctx context.Context, w *work) (bool, error) { return false, r.absent(ctx, w.c) }
}
