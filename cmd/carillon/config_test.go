package main

import (
	"strings"
	"testing"
)

// Whoever mistyped a variable is told which.
func TestMistakesAreNamed(t *testing.T) {
	get := func(name string) string { return map[string]string{"CARILLON_LOG_LEVEL": "loud"}[name] }
	if _, err := loadConfig(get); err == nil || !strings.Contains(err.Error(), "CARILLON_LOG_LEVEL") {
		t.Errorf("a log level that is none: %v", err)
	}
	c := config{DatabaseURL: "foo", MasterKey: make([]byte, 32)}
	if _, err := c.databases(); err == nil || !strings.Contains(err.Error(), "DATABASE_URL") {
		t.Errorf("a database that is none: %v", err)
	}
}
