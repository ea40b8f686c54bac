package postgres

// A systemPath is a reason to look across tenants. Every use of the system
// door names one of these and nothing else; carillon_system has grants and
// policies for exactly what they need. The path is set as app.path for the
// length of the transaction, or leads the statement, so the server's log and
// pg_stat_activity tell who asked.
type systemPath string

// Tenancy.
const (
	// Who a person is in a tenant, before there is a scope to ask with; tier and
	// state depend on its ancestors.
	pathResolve systemPath = "registry.resolve"
	// The root of the tree, when the installation sets itself up.
	pathOperator systemPath = "registry.operator"
	// The tenants a person belongs to, for the switcher.
	pathMine systemPath = "registry.mine"
	// The directory entries of a tenant's direct children, and nothing else.
	pathChildren systemPath = "registry.children"
	// A new child with its first owner: rows of a tenant that did not exist.
	pathCreate systemPath = "registry.create"
	// A parent suspends or resumes its direct child.
	pathSuspend systemPath = "registry.suspend"
	// The custom roles that count in a tenant, an agency's in its workspaces too.
	pathRoles systemPath = "registry.roles"
	// A role goes, here and where it is given below, for those who have it get another.
	pathRemoveRole systemPath = "registry.remove_role"
	// A tenant asks a direct child to let its members in: one row of the child's.
	pathAskAccess systemPath = "registry.ask_access"
	// What its children granted to a tenant, and what it asked them for.
	pathReceived systemPath = "registry.received"
	// Which hosts are served, and which proofs are due: names of every tenant.
	pathDomains systemPath = "domains"
	// The tenants below one that a person owns, for an export of all of them.
	pathOwned systemPath = "exports.owned"
	// Exports that a crash left, and archives past their time: names alone.
	pathExports systemPath = "exports.left"
	// The names and addresses of members, who are of no tenant, for an export.
	pathNamed systemPath = "exports.named"
	// A tenant that is to go is closed, and then goes: rows of its own, and names
	// of it elsewhere. Deleting is erase_rows' alone; see definers.
	pathErase systemPath = "erasure"
	// What a tenant and those above it say of their brand, for its own people and
	// for pages that nobody has signed in to.
	pathBrand systemPath = "branding"
)

// Identity.
const (
	// People, sessions and letters, which are of no tenant.
	pathIdentity systemPath = "identity"
	// The session behind an access token, on every request.
	pathSession systemPath = "identity.session"
	// The tenant of an API key, which its bearer does not say.
	pathKeyHolder systemPath = "identity.key_holder"
)

// Events and webhooks.
const (
	// Events past their retention are forgotten, and late deliveries queued again.
	pathEventsPrune systemPath = "events.prune"
)

// Channels and their secrets.
const (
	// A person whom a platform sent back, who brings a state and no tenant.
	pathState systemPath = "channels.state"
	// Which grants are to be renewed: names and times, not what is sealed.
	pathDue systemPath = "channels.due"
	// Old attempts to sign in and allowances long unused, of every tenant.
	pathPurge systemPath = "channels.purge"
	// Allowances that a platform gives to an app, which tenants share.
	pathAppQuota systemPath = "channels.app_quota"
	// Tenants with channels on a platform whose API version ends: names alone.
	pathSunset systemPath = "channels.sunset"
	// Data keys that are wrapped by an old key-encryption key, and those of a
	// tenant that is erased.
	pathRewrap systemPath = "vault.rewrap"
)

// Media.
const (
	// Which tenants have uploads or deletions that a crash cut short.
	pathStaleMedia systemPath = "media.stale"
)

// Publishing.
const (
	// Dispatchers take due segments of all tenants.
	pathClaim systemPath = "publishing.claim"
	// Whether something on any level holds a channel back.
	pathBlocked systemPath = "publishing.blocked"
	// A restored database doubts what the original may have sent.
	pathRestore systemPath = "publishing.restore"
	// Channels whose scheduled posts are to be checked again: names and versions.
	pathStale systemPath = "publishing.stale"
	// The operator's switch for one platform.
	pathPlatform systemPath = "publishing.platform"
)

// Plugins.
const (
	// What every process has to run, and what a tenant may use of it: the
	// operator's rows, and the choices of those above.
	pathPlugins systemPath = "plugins.catalog"
)

// Audit.
const (
	// Entries of every tenant are chained and signed; what waits is forgotten.
	pathSeal systemPath = "audit.seal"
	// Chains are checked from outside, whichever tenant they are of.
	pathVerify systemPath = "audit.verify"
)

// The operators' realm.
const (
	// Operators, their sessions, and what they look up and decide of people and
	// tenants; each use case is recorded.
	pathAdmin systemPath = "admin"
	// What holds for everybody: blocked addresses, maintenance, flags.
	pathEdge systemPath = "admin.edge"
)

// Money.
const (
	// What a tenant buys counts in the budgets above it, and is freed when
	// nobody comes back for it.
	pathLedger systemPath = "ledger"
)

// Idempotency and jobs.
const (
	// Answers too old to be honoured are forgotten, of every tenant.
	pathForget systemPath = "idempotency.forget"
	// Jobs of every tenant whose process died in their last try: names alone.
	pathStuck systemPath = "jobs.stuck"
)

// Operation.
const (
	// Which worker processes are claiming, for whoever asks whether work is done.
	pathWorkers systemPath = "operation.workers"
	// How much is due or queued, and for how long: figures of no tenant.
	pathBacklog systemPath = "operation.backlog"
)
