//go:build !race

package imaging_test

const instrumented = false
