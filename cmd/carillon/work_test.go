package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/carillonhq/carillon/adapters/pluginhost"
)

// What is left to other processes is what a call would be refused for, and
// nothing that a call would bring back.
func TestOnlyQuarantinedPlatformsAreLeftToOthers(t *testing.T) {
	var of []pluginhost.Status
	for _, s := range pluginhost.States {
		of = append(of, pluginhost.Status{ID: "org.example." + string(s), State: s})
	}
	if diff := cmp.Diff([]string{"org.example.quarantined"}, quarantined(of)); diff != "" {
		t.Error(diff)
	}
}
