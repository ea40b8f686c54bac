package publishing

import (
	"context"
	"time"

	"github.com/carillonhq/carillon/core/channels"
	"github.com/carillonhq/carillon/tenants"
	"github.com/carillonhq/carillon/tenants/audit"
)

// Store keeps one tenant's posts. Package publishingtest holds its contract as
// a test suite.
type Store interface {
	// View runs fn on a consistent, read-only snapshot.
	View(ctx context.Context, who tenants.ID, fn func(context.Context, Tx) error) error
	// Update runs fn in a transaction: all of it happens, or none of it. fn
	// must not call the outside world; a rollback cannot take that back.
	Update(ctx context.Context, who tenants.ID, fn func(context.Context, Tx) error) error
	// Peek reads what a claim is about, locks nothing and is one look.
	Peek(ctx context.Context, c Claim) (*Work, error)
	// Arm is Delivery.Arm on what is stored, with the attempt in the journal:
	// committed when it returns nil, and ErrLost or another fault.Conflict if
	// somebody was there before. It is one trip.
	Arm(ctx context.Context, c Claim, a Arming) error
}

// Tx is what publishing may do inside a transaction. It sees one tenant. What
// does not exist there is fault.NotFound, whether or not another tenant has it.
type Tx interface {
	audit.Recorder

	// Now is the database's clock. Every due date is decided by it.
	Now(ctx context.Context) (time.Time, error)

	Post(ctx context.Context, id PostID) (*Post, error)
	// LockPost is Post, and nobody else changes the post or its deliveries
	// until the transaction ends.
	LockPost(ctx context.Context, id PostID) (*Post, error)
	Posts(ctx context.Context, f Filter) ([]*Post, error)
	// Calendar returns what f selects as entries, by time. f has a window.
	Calendar(ctx context.Context, f Filter) ([]Entry, error)
	// SavePost checks and writes p; fault.Conflict if p is stale. It sets
	// Version and the timestamps.
	SavePost(ctx context.Context, p *Post) error
	DeletePost(ctx context.Context, id PostID) error
	// Unknown returns those of refs that the tenant does not have, in order. The
	// files among the others stay until the transaction ends.
	Unknown(ctx context.Context, refs Refs) (Refs, error)
	// SetState writes the sum of a post's deliveries, without a new version.
	SetState(ctx context.Context, id PostID, s State) error

	// Deliveries returns the posts' deliveries with their segments, in order.
	Deliveries(ctx context.Context, posts ...PostID) ([]*Delivery, error)
	// Outlines is Deliveries for lists: of each segment it has the name, place,
	// state, reference, time, problem, visibility and warnings, and of each delivery no settings.
	Outlines(ctx context.Context, posts ...PostID) ([]*Delivery, error)
	// SaveDelivery writes d and its segments, new or known, and removes
	// segments that d no longer has.
	SaveDelivery(ctx context.Context, d *Delivery) error
	DeleteDelivery(ctx context.Context, id DeliveryID) error

	// Work reads what a claim is about in one go, and nobody else changes the
	// post or its deliveries until the transaction ends.
	Work(ctx context.Context, c Claim) (*Work, error)
	// Refs returns the names of objects on a channel that stand for a segment
	// and went live at or after since, the latest first, a thousand at most.
	Refs(ctx context.Context, ch channels.ID, since time.Time) ([]string, error)
	// SaveSegments writes what became of known segments of one delivery; what
	// they say (Part, Comment, Position) and when is for SaveDelivery. An object stands for
	// one segment of a channel: the transaction fails with fault.Conflict
	// TakenReason if another has the name of a Ref.
	SaveSegments(ctx context.Context, d *Delivery, segments ...*Segment) error

	// CloseAttempt ends the segment's open attempt. No open attempt is no error.
	CloseAttempt(ctx context.Context, s SegmentID, o Outcome, p *Problem) error
	// DropAttempt takes the segment's open attempt back, as if it had not been
	// opened: nothing of it left this process. No open attempt is no error.
	DropAttempt(ctx context.Context, s SegmentID) error
	// ResolveAttempts turns the segment's unknown attempts into o.
	ResolveAttempts(ctx context.Context, s SegmentID, o Outcome) error
	Attempts(ctx context.Context, post PostID) ([]Attempt, error)

	Settings(ctx context.Context) (Settings, error)
	SaveSettings(ctx context.Context, s Settings) error

	SaveMetrics(ctx context.Context, m []Measured) error
	Metrics(ctx context.Context, post PostID) ([]Measured, error)
	// RefreshMetrics asks for a Service.RefreshMetrics call, if the Tx commits.
	// job names it for whoever asked, "job_…"; empty, nobody did.
	RefreshMetrics(ctx context.Context, post PostID, job string) error

	// FollowUp asks for a Service.FollowUp call after a time, if the Tx commits.
	FollowUp(ctx context.Context, post PostID, after time.Duration) error

	// Findings returns what the last look has against posts; of those that
	// are fine, nothing.
	Findings(ctx context.Context, posts ...PostID) ([]Finding, error)
	// SaveFinding replaces what is known of a post on a channel; without
	// violations that is nothing.
	SaveFinding(ctx context.Context, f Finding) error
	// SaveLook notes how far the posts of a channel are checked.
	SaveLook(ctx context.Context, l Look, done bool) error

	// Blocked is Queue.Blocked of several channels, with what people are told;
	// those that are free are left out.
	Blocked(ctx context.Context, chs ...channels.ID) (map[channels.ID]Block, error)

	// Emit tells the tenant's subscribers, if the Tx commits.
	Emit(ctx context.Context, event, subject string, data any) error
	// WakeDispatch tells idle dispatchers that something is due, if the Tx commits.
	WakeDispatch(ctx context.Context) error
}

// Filter selects posts, newest first by ID or by due time within a window.
type Filter struct {
	From, To time.Time // due in [From, To), ordered by due time
	After    PostID    // past this one, for cursors
	States   []State
	Channel  channels.ID
	AtRisk   bool // only what is scheduled and the last look has something against
	Limit    int
	Reverse  bool // the other way: oldest first, or by due time backwards
}

// Queue hands out due segments of all tenants. It is the dispatcher's way
// across the wall and can do nothing else.
type Queue interface {
	// Claim takes up to n due segments for holder until lease ends. It is fair
	// across tenants first, then channels, and leaves out what is paused. A
	// segment is claimed by one holder at a time, across all processes.
	Claim(ctx context.Context, holder string, n int, lease time.Duration) ([]Claim, error)
	// Blocked says why nothing may leave this channel now: a pause at any
	// level of the tree, of the channel or of its platform, a suspension, a
	// broken connection. Empty means go. The reasons are those of heldMessages.
	Blocked(ctx context.Context, who tenants.ID, ch channels.ID) (string, error)
}

// Work is a claimed segment's delivery, with the database's clock and the
// tenant's rules.
type Work struct {
	State    State   // of the post; not in a Peek
	Rest     []State // of the post's other deliveries; not in a Peek
	Delivery *Delivery
	Now      time.Time
	Settings Settings
}

// A Claim is the right to work on one segment until the lease ends or somebody
// with a higher generation takes over.
type Claim struct {
	Tenant     tenants.ID
	Post       PostID
	Delivery   DeliveryID
	Segment    SegmentID
	Generation int64
	DueAt      time.Time
	// Waiting is since when the segment needed somebody: what NextAt was when
	// it was claimed. From there on counts how long nobody came.
	Waiting time.Time
}
