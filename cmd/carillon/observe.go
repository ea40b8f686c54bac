package main

import (
	"time"

	"github.com/carillonhq/carillon/core/publishing"
)

// observer watches the protocol for the metrics.
func observer(*kernel) publishing.Observer { return watching{} }

type watching struct{}

// At implements publishing.Observer.
func (watching) At(publishing.Point) {}

// Settled implements publishing.Observer.
func (watching) Settled(publishing.State, time.Duration) {}
