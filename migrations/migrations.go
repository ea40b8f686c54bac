// Package migrations holds the schema, oldest first. A file is never edited
// after a release; the next one corrects it.
//
// A migration that adds a table of tenants' rows gives it tenant_id with
// app_tenant() as default, keys that start with tenant_id, enabled and forced
// row-level security, its policies and its grants, all in the same file. The
// catalog test of adapters/postgres refuses a table that lacks any of it.
package migrations

import "embed"

// FS is the numbered .sql files.
//
//go:embed *.sql
var FS embed.FS
