package main

import "context"

// measurement is one group of figures.
type measurement struct {
	name string
	run  func(context.Context, *house, *report) error
}

// measurements is what there is to measure, in an order in which none disturbs
// the next: what needs an empty house comes first.
var measurements = []measurement{
	{"footprint", footprint},
	{"plugins", plugins},
	{"late", lateness},
	{"burst", burst},
	{"nodes", nodes},
	{"api", apiLoad},
	{"ratio", readRatio},
	{"calendar", calendar},
	{"sign-ins", signIns},
	{"river", dispatchRatio},
}
