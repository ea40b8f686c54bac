// Package audit keeps who did what, and proves that nobody rewrote it.
//
// An entry is written in the transaction of the change it tells of, so there
// is no change without one and none without a change; see Recorder. The
// serving role can add entries and do nothing else to them.
//
// Writers never wait for each other: they only put entries down. A Sealer
// comes by every few seconds and chains what is new, a chain per tenant, each
// link over the hash of the one before, and signs the last of them. From then
// on a row that is changed, removed, moved or slipped in shows; see Verify.
//
// What happens to people, who are of no tenant, is in the operator's book.
//
// Start with Entry, By and Service; chain.go holds the rules of the chain,
// seal.go makes it, verify.go checks it.
package audit

import (
	"context"
	"encoding/json"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// ActRead is reading a tenant's audit, as a list or as an export.
const ActRead tenants.Action = "audit.read"

// An Entry says that something was done. It holds names and small facts, never
// a secret, an address or what somebody wrote.
type Entry struct {
	Actor   string            // a user, a key, an operator or "system"
	Behind  string            // the operator who acted as Actor; empty: nobody
	Action  string            // what was done, such as "post.schedule"
	Subject string            // to what, such as "post_01jd…"; may be empty
	Detail  map[string]string // what else is worth knowing
}

// By is an entry for what who does. Detail comes as names and values in turn;
// a value that is empty is left out. Whoever is here by a grant of access is
// named with it.
func By(who tenants.Scope, action, subject string, detail ...string) Entry {
	e := Of(who.Actor(), action, subject, detail...)
	e.Behind = who.Impersonator
	if who.Grant != "" {
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail["grant"] = who.Grant
	}
	return e
}

// Of is By for an actor who is in no tenant.
func Of(actor, action, subject string, detail ...string) Entry {
	e := Entry{Actor: actor, Action: action, Subject: subject}
	for i := 0; i+1 < len(detail); i += 2 {
		if detail[i+1] == "" {
			continue
		}
		if e.Detail == nil {
			e.Detail = map[string]string{}
		}
		e.Detail[detail[i]] = clip(detail[i+1])
	}
	return e
}

// maxDetail is the longest value of a detail, in bytes.
const maxDetail = 500

func clip(s string) string {
	s = strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")
	for len(s) > maxDetail {
		_, size := utf8.DecodeLastRuneInString(s)
		s = s[:len(s)-size]
	}
	return s
}

// Check holds the invariants. Every Recorder runs it.
func (e Entry) Check() error {
	if e.Actor == "" || e.Action == "" {
		return fault.New(fault.Internal, "audit.malformed", "An audit entry says who and what.")
	}
	return nil
}

// A Recorder is a transaction that can be told what it does. Record writes an
// entry into the book of the transaction's tenant; it is there exactly if the
// transaction commits.
type Recorder interface {
	Record(ctx context.Context, e Entry) error
}

// ID names an entry, such as "aud_01jd…". Names sort by time.
type ID string

// NewID returns a fresh entry name.
func NewID() ID { return ID(id.New("aud")) }

// A Record is an entry as it is kept.
type Record struct {
	Entry
	ID        ID
	Tenant    tenants.ID
	At        time.Time // by the database's clock, in microseconds
	RequestID string    // of the request that did it; empty: no request
	Seq       int64     // its place in the chain, from 1; 0: not sealed yet
	Hash      Hash      // of its link; zero: not sealed yet
}

// detail is the canonical form of the details: JSON with sorted names.
func (e Entry) detail() []byte {
	if len(e.Detail) == 0 {
		return []byte("{}")
	}
	raw, _ := json.Marshal(e.Detail) // a map of strings always marshals
	return raw
}

// Query chooses entries. The zero Query is the newest 20.
type Query struct {
	Before  ID     // older than this one; empty: from the newest
	Actor   string // this one exactly, as Actor or Behind
	Action  string // this one exactly, or all that begin so: "post.*"
	Subject string // this one exactly
	Since   time.Time
	Until   time.Time // exclusive
	Limit   int       // 1 to MaxPage; 0 means 20
}

// MaxPage is the most entries of one List.
const MaxPage = 100

// exportPage is how many entries an export reads at a time.
const exportPage = 1000

// Service is reading a tenant's book. It is safe for concurrent use.
type Service struct {
	store Store
	authz tenants.Authorizer
}

// New returns a Service. Every argument is required.
func New(store Store, authz tenants.Authorizer) *Service { return &Service{store: store, authz: authz} }

// List returns entries, newest first, and whether there are more.
func (s *Service) List(ctx context.Context, who tenants.Scope, q Query) (page []Record, more bool, err error) {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return nil, false, err
	}
	if q, err = q.checked(); err != nil {
		return nil, false, err
	}
	limit := q.Limit
	q.Limit++
	page, err = s.store.Entries(ctx, who.Tenant, q)
	if len(page) > limit {
		return page[:limit], true, err
	}
	return page, false, err
}

// Export passes every entry that q chooses to each, newest first, and ends
// with the first error of each. It holds one page at a time.
func (s *Service) Export(ctx context.Context, who tenants.Scope, q Query, each func(Record) error) error {
	if err := s.authz.Allow(ctx, who, ActRead); err != nil {
		return err
	}
	q, err := q.checked()
	if err != nil {
		return err
	}
	for q.Limit = exportPage; ; {
		page, err := s.store.Entries(ctx, who.Tenant, q)
		if err != nil {
			return err
		}
		for _, r := range page {
			if err := each(r); err != nil {
				return err
			}
		}
		if len(page) < q.Limit {
			return nil
		}
		q.Before = page[len(page)-1].ID
	}
}

func (q Query) checked() (Query, error) {
	if q.Limit == 0 {
		q.Limit = 20
	}
	switch prefix, _ := strings.CutSuffix(q.Action, "*"); {
	case q.Limit < 1 || q.Limit > MaxPage:
		return q, fault.New(fault.Invalid, "page.bad_limit", "Ask for 1 to %d at a time.", MaxPage).On("/query/limit")
	case q.Before != "" && !id.Is("aud", string(q.Before)):
		return q, fault.New(fault.Invalid, "page.bad_cursor", "This cursor belongs to another list, or to none.").On("/query/cursor")
	case strings.Contains(prefix, "*"):
		return q, fault.New(fault.Invalid, "audit.bad_action", "Name an action, or all of a noun with an asterisk, such as post.*.").On("/query/action")
	case !q.Since.IsZero() && !q.Until.IsZero() && !q.Since.Before(q.Until):
		return q, fault.New(fault.Invalid, "window.backwards", "The window ends before it begins.").On("/query/at[lt]")
	}
	return q, nil
}
