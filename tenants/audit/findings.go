package audit

import (
	"fmt"

	"github.com/carillonhq/carillon/tenants"
)

// Problem is what is wrong with a book.
type Problem string

// The problems.
const (
	Changed    Problem = "changed"     // an entry is not what was sealed
	Removed    Problem = "removed"     // an entry or its link is gone
	Reordered  Problem = "reordered"   // entries changed places
	Inserted   Problem = "inserted"    // an entry is outside the chain, or older than its neighbours
	ForgedHead Problem = "forged_head" // a head is not signed by a key of ours, or not of this chain
	Unsigned   Problem = "unsigned"    // links behind the last head
	CutOff     Problem = "cut_off"     // a head that was kept elsewhere is not in the chain
	Stalled    Problem = "stalled"     // entries wait for much too long: nobody seals
)

// A Finding is one problem in one book.
type Finding struct {
	Tenant  tenants.ID `json:"tenant"`
	Problem Problem    `json:"problem"`
	Seq     int64      `json:"seq,omitempty"`   // where in the chain; 0: not in it
	Entry   ID         `json:"entry,omitempty"` // which; empty: not known
	Says    string     `json:"says"`
}

// A Report is what Verify found in one book.
type Report struct {
	Tenant   tenants.ID `json:"tenant"`
	Entries  int64      `json:"entries"` // in the chain
	Head     *Head      `json:"head,omitempty"`
	HeadHash string     `json:"hash,omitempty"`
	Findings []Finding  `json:"findings"`
}

// A Witness is a head that was written down elsewhere. It shows when the end of
// a chain was cut off, which nothing that is left could.
type Witness struct {
	Tenant tenants.ID `json:"tenant"`
	Seq    int64      `json:"seq"`
	Hash   string     `json:"hash"`
}

func cutOff(k Witness) Finding {
	return Finding{k.Tenant, CutOff, k.Seq, "", fmt.Sprintf("the chain does not hold the head that was kept: %d, %s", k.Seq, k.Hash)}
}
