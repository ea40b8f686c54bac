package httpapi

import (
	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/core/events"
	"github.com/carillonhq/carillon/core/identity"
	"github.com/carillonhq/carillon/core/jobs"
	"github.com/carillonhq/carillon/core/media"
	"github.com/carillonhq/carillon/core/publishing"
	"github.com/carillonhq/carillon/tenants/registry"
)

// The services are what the handlers use of them.
var (
	_ Authenticator = (*identity.Service)(nil)
	_ Resolver      = (*registry.Service)(nil)
	_ People        = (*identity.Service)(nil)
	_ Names         = (*identity.Directory)(nil)
	_ Federation    = (*identity.Federation)(nil)
	_ APIKeys       = (*identity.Keys)(nil)
	_ Tenants       = (*registry.Service)(nil)
	_ Members       = (*registry.Service)(nil)
	_ Channels      = (*channels.Service)(nil)
	_ Media         = (*media.Service)(nil)
	_ Posts         = (*publishing.Service)(nil)
	_ Events        = (*events.Service)(nil)
	_ Webhooks      = (*events.Service)(nil)
	_ Jobs          = (*jobs.Service)(nil)
)
