package jobs

import (
	"context"
	"errors"
	"testing"
)

// shelf has so many old answers.
type shelf struct {
	left int64
	err  error
}

func (s *shelf) ForgetAnswers(_ context.Context, n int) (int64, error) {
	took := min(int64(n), s.left)
	s.left -= took
	return took, s.err
}

func TestForget(t *testing.T) {
	for name, tc := range map[string]struct {
		shelf shelf
		left  int64
	}{
		"none":    {shelf{}, 0},
		"few":     {shelf{left: 3}, 0},
		"many":    {shelf{left: 3*forgetAtOnce + 1}, 0},
		"failing": {shelf{left: 2 * forgetAtOnce, err: errors.New("gone")}, forgetAtOnce},
	} {
		t.Run(name, func(t *testing.T) {
			err := forget(t.Context(), &tc.shelf)
			if tc.shelf.left != tc.left || !errors.Is(err, tc.shelf.err) {
				t.Errorf("%d left, %v", tc.shelf.left, err)
			}
		})
	}
}
