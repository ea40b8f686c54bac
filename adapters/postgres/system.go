package postgres

// A systemPath is a reason to look across tenants. Every use of the system
// door names one of these and nothing else; carillon_system has grants and
// policies for exactly what they need. The path is set as app.path for the
// length of the transaction, or leads the statement, so the server's log and
// pg_stat_activity tell who asked.
type systemPath string

// Tenancy.
const (
	// Who a person is in a tenant, before there is a scope to ask with.
	pathResolve systemPath = "registry.resolve"
	// A tenant's place, tier and state, which depend on its ancestors.
	pathStanding systemPath = "registry.standing"
	// The tenants a person belongs to, for the switcher.
	pathMine systemPath = "registry.mine"
	// The directory entries of a tenant's direct children, and nothing else.
	pathChildren systemPath = "registry.children"
	// A new child with its first owner: rows of a tenant that did not exist.
	pathCreate systemPath = "registry.create"
	// A parent suspends or resumes its direct child.
	pathSuspend systemPath = "registry.suspend"
)

// Identity.

// Events and webhooks.
const (
	// Events past their retention are forgotten, and late deliveries queued again.
	pathEventsPrune systemPath = "events.prune"
)

// Channels and their secrets.

// Media.

// Publishing.

// Idempotency and jobs.
