package domains

import (
	"strings"
	"time"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// ID names a tenant's claim to a host, such as "dom_01jd…".
type ID string

// State says how far a claim has come.
type State string

// The states. A host is served while its claim is Proven.
const (
	Pending     State = "pending"     // nobody has seen a proof
	Proven      State = "proven"      // it is this tenant's
	Quarantined State = "quarantined" // the proof stayed away; it is not served
)

// Figures.
const (
	Max      = 20                 // hosts of one tenant
	Every    = 24 * time.Hour     // how often the proof of a host is looked for
	MissedIn = 6 * time.Hour      // when it is looked for again, once it was not there
	RetryIn  = time.Hour          // when the DNS is asked again that said nothing of a host that is served
	Grace    = 3 * 24 * time.Hour // how long a host is served without a proof
)

// A Domain is a host that a tenant says is its own, for pages or, with Mail, for
// the addresses of its letters alone.
type Domain struct {
	ID        ID
	Host      string // as the DNS has it: lower case, ASCII
	Token     string // what the proof says; no secret
	Mail      bool   // letters are from addresses there, and no pages are
	State     State
	Canonical bool // letters link to it; one of the tenant's proven ones is
	Problem   Problem
	CheckedAt time.Time // zero: never
	ProvenAt  time.Time // since when it is proven
	LostAt    time.Time // since when the proof is missing; zero: it is there
	DueAt     time.Time // when it is looked for again; zero: when somebody asks
	Version   int
	CreatedAt time.Time
	UpdatedAt time.Time
}

// Problem is what was wrong when the proof was looked for last.
type Problem string

// The problems.
const (
	NoRecord   Problem = "no_record"  // there is nothing at the name of the proof
	OtherText  Problem = "other_text" // there is, and it says something else
	NoAnswer   Problem = "no_answer"  // the DNS did not answer
	HeldByElse Problem = "held"       // the proof is there, and so is another tenant's claim
	noProblem  Problem = ""
)

func claim(host string, mail bool, now time.Time) *Domain {
	return &Domain{ID: ID(id.New("dom")), Host: host, Mail: mail, Token: id.New("cdp"), State: Pending, CreatedAt: now, UpdatedAt: now}
}

// ProofName is where the proof is looked for.
func (d *Domain) ProofName() string { return "_carillon." + d.Host }

// ProofText is what it says.
func (d *Domain) ProofText() string { return "carillon-domain=" + d.Token }

// Check holds the invariants. Every save runs it.
func (d *Domain) Check() error {
	switch {
	case d.Host == "" || len(d.Host) > 253 || d.Host != strings.ToLower(d.Host):
		return fault.New(fault.Invalid, "domain.host", "This is no host name.").On("/host")
	case d.Canonical && (d.State != Proven || d.Mail):
		return fault.New(fault.Internal, "domain.state", "A canonical host is a proven one, with pages.")
	}
	return nil
}

// A Turn is what a look at the DNS changed.
type Turn string

// The turns; the three last are told to the tenant, as event and as letter.
const (
	NoTurn         Turn = ""
	TurnProven     Turn = "domain.proven"
	TurnAtRisk     Turn = "domain.at_risk"
	TurnQuarantine Turn = "domain.quarantined"
)

// Told is what those events say.
type Told struct {
	Host       string     `json:"host"`
	State      State      `json:"state"`
	ServedTill *time.Time `json:"served_until,omitempty"` // of one at risk
}

// Told says how d stands.
func (d *Domain) Told() Told {
	t := Told{Host: d.Host, State: d.State}
	if d.State == Proven && !d.LostAt.IsZero() {
		until := d.LostAt.Add(Grace)
		t.ServedTill = &until
	}
	return t
}

// see takes note of what a look found.
func (d *Domain) see(p Problem, now time.Time) Turn {
	d.CheckedAt, d.UpdatedAt, d.Problem = now, now, p
	switch {
	case p == noProblem:
		return d.proven(now)
	case d.State == Pending:
		return NoTurn
	case d.State == Quarantined:
		d.DueAt = now.Add(Every)
		return NoTurn
	case p == NoAnswer:
		d.DueAt = now.Add(RetryIn)
		return NoTurn
	}
	return d.missed(now)
}

func (d *Domain) proven(now time.Time) Turn {
	d.DueAt, d.LostAt = now.Add(Every), time.Time{}
	if d.State == Proven {
		return NoTurn
	}
	d.State, d.ProvenAt = Proven, now
	return TurnProven
}

func (d *Domain) missed(now time.Time) Turn {
	d.DueAt = now.Add(MissedIn)
	switch {
	case d.LostAt.IsZero():
		d.LostAt = now
		return TurnAtRisk
	case now.Sub(d.LostAt) < Grace:
		return NoTurn
	}
	d.State, d.Canonical, d.DueAt = Quarantined, false, now.Add(Every)
	return TurnQuarantine
}

// A Notice is a letter to a tenant's owners that waits in a queue.
type Notice struct {
	Tenant tenants.ID
	Domain ID
	Turn   Turn
}

// below reports whether host is parent or a name below it.
func below(host, parent string) bool {
	return parent != "" && (host == parent || strings.HasSuffix(host, "."+parent))
}
