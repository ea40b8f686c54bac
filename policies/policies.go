// Package policies holds who may do what: actions by role, roles by role,
// actions by plan. policy.csv is meant to be read, and reviewed, by people.
//
// A tenant's custom roles are rows in the database; they enter the same model
// under the tenant's own domain.
package policies

import _ "embed"

// Model is the Casbin model.
//
//go:embed model.conf
var Model string

// Policy is the rules that hold in every tenant.
//
//go:embed policy.csv
var Policy string
