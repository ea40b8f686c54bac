// Package api is the contract in Go, generated from openapi.yaml: the types on
// the wire, the interface the handlers implement and the table of routes.
//
// The contract states each limit once. gen.go turns lengths, ranges and enums
// into validator tags before the generator runs, and reads a schema marked
// x-patch as raw JSON, because a merge patch must tell null from absent.
package api

//go:generate go run gen.go ../openapi.yaml openapi.gen.json
//go:generate go tool oapi-codegen -config oapi.yaml openapi.gen.json
//go:generate go run gen.go -serve ../openapi.yaml ../openapi.json
