// Package walls lets the test suite stand one wall between tenants on its own.
//
// There are two: the condition on tenant_id that every query carries, and
// row-level security. Each must hold without the other, and the only way to
// know is to take the other away. The package is internal so that nothing but
// adapters/postgres and its test helper can even name what takes the first one
// down; the second is taken down by the owner of a test's database, in SQL.
package walls

// Test is what a test takes away. The zero value takes nothing.
type Test struct {
	NoFilters bool // queries carry no condition on tenant_id
}
