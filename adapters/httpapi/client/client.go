// Package client is the Go client of the HTTP surface, generated from
// openapi.yaml. The command line and the tests use it; it knows nothing of the
// server.
//
// Start with NewClientWithResponses and pass WithToken.
package client

import (
	"context"
	"net/http"
)

//go:generate go tool oapi-codegen -config oapi.yaml ../openapi.yaml

// WithToken signs each request with token, an access token or an API key, and
// names the tenant; an API key needs none.
func WithToken(token, tenant string) ClientOption {
	return WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", "Bearer "+token)
		if tenant != "" {
			req.Header.Set("Carillon-Tenant", tenant)
		}
		return nil
	})
}
