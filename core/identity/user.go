package identity

import (
	"time"

	"github.com/carillonhq/carillon/tenants"
)

// A User is a person whose address is known to be theirs.
type User struct {
	ID        tenants.UserID
	Email     string // lower case
	Name      string
	Home      tenants.ID // the agency made for them; empty until it exists
	CreatedAt time.Time
}
