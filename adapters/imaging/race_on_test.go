//go:build race

package imaging_test

// instrumented says that a worker, too, runs under the race detector, whose
// shadow memory does not fit under a small cap.
const instrumented = true
