package httpapi

import "github.com/carillonhq/carillon/adapters/httpapi/api"

// Server answers every operation of openapi.yaml. Leaving one out does not
// compile.
type Server struct {
	api.StrictServerInterface
	*surface
}
