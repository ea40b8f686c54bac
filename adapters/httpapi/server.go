package httpapi

import "github.com/carillonhq/carillon/adapters/httpapi/api"

// Server answers every operation of openapi.yaml. Leaving one out does not
// compile. Every field is required; New sets the rest.
type Server struct {
	People People

	Federation Federation

	Names   Names
	APIKeys APIKeys
	Tenants Tenants
	Members Members
	// Rights says what the built-in roles may do.
	Rights      Rights
	Invitations Invitations
	Guests      Guests
	Ownership   Ownership
	Access      Access
	Domains     Domains
	Brands      Brands
	Exports     Exports
	Erasures    Erasures

	Channels Channels
	Media    Media
	Posts    Posts
	// Rehearsal is Posts that keeps nothing, for dry_run.
	Rehearsal Posts
	Events    Events
	Streams   Streams
	Webhooks  Webhooks
	Audit     Audit
	Admin     Admin
	Jobs      Jobs
	Plugins   Plugins

	*surface
}

var _ api.StrictServerInterface = (*Server)(nil)
