//go:build unix && !linux

package pluginhost_test

func call(string) error { return nil }
