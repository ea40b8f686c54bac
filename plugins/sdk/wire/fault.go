package wire

import (
	"errors"
	"unicode/utf8"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

var kinds = words(map[social.Kind]pb.Fault_Kind{
	social.AuthExpired: pb.Fault_KIND_AUTH_EXPIRED,
	social.AuthRevoked: pb.Fault_KIND_AUTH_REVOKED,
	social.Permission:  pb.Fault_KIND_PERMISSION,
	social.RateLimited: pb.Fault_KIND_RATE_LIMITED,
	social.Invalid:     pb.Fault_KIND_INVALID,
	social.Policy:      pb.Fault_KIND_POLICY,
	social.Duplicate:   pb.Fault_KIND_DUPLICATE,
	social.NotFound:    pb.Fault_KIND_NOT_FOUND,
	social.Unsupported: pb.Fault_KIND_UNSUPPORTED,
	social.Transient:   pb.Fault_KIND_TRANSIENT,
	social.Permanent:   pb.Fault_KIND_PERMANENT,
	social.Ambiguous:   pb.Fault_KIND_AMBIGUOUS,
	social.OutOfFunds:  pb.Fault_KIND_OUT_OF_FUNDS,
})

var sources = words(map[social.Source]pb.Fault_Source{
	social.FromPlatform: pb.Fault_SOURCE_PLATFORM,
	social.FromNetwork:  pb.Fault_SOURCE_NETWORK,
	social.FromPlugin:   pb.Fault_SOURCE_PLUGIN,
})

// What a fault may carry, in bytes: enough to understand it, too little to
// fill a journal.
const (
	maxMessage  = 1 << 10
	maxUpstream = 2 << 10
	maxCause    = 2 << 10
)

// FromFault puts a failure on the wire. Its texts are cut to their limits.
func FromFault(f *social.Fault) *pb.Fault {
	if f == nil {
		return nil
	}
	out := &pb.Fault{
		Kind: kinds.number[f.Kind], Source: sources.number[f.Source], Key: f.Key, Message: cut(f.Message, maxMessage),
		Violations: each(f.Violations, fromViolation), RetryAfter: fromDuration(f.RetryAfter),
		Scope: quotaScopes.number[f.Scope], Missing: f.Missing, HttpStatus: int64(f.HTTPStatus), Upstream: cut(f.Upstream, maxUpstream),
	}
	if f.Err != nil {
		out.Cause = cut(f.Err.Error(), maxCause)
	}
	return out
}

// ToFault takes a failure from the wire. A kind that this host does not know
// stays empty, which social.FaultOf reads as a broken plugin.
func ToFault(f *pb.Fault) *social.Fault {
	if f == nil {
		return nil
	}
	out := &social.Fault{
		Kind: kinds.word[f.GetKind()], Source: sources.word[f.GetSource()], Key: f.GetKey(), Message: cut(f.GetMessage(), maxMessage),
		Violations: each(f.GetViolations(), toViolation), RetryAfter: max(0, toDuration(f.GetRetryAfter())),
		Scope: quotaScopes.word[f.GetScope()], Missing: f.GetMissing(), HTTPStatus: int(f.GetHttpStatus()), Upstream: cut(f.GetUpstream(), maxUpstream),
	}
	if f.GetCause() != "" {
		out.Err = errors.New(cut(f.GetCause(), maxCause))
	}
	return out
}

func fromViolation(v fault.Violation) *pb.Violation {
	return &pb.Violation{Field: v.Field, Reason: v.Reason, Message: v.Message, Limit: v.Limit, Actual: v.Actual, Warning: v.Warning}
}

func toViolation(v *pb.Violation) fault.Violation {
	return fault.Violation{
		Field: v.GetField(), Reason: v.GetReason(), Message: v.GetMessage(),
		Limit: v.GetLimit(), Actual: v.GetActual(), Warning: v.GetWarning(),
	}
}

// cut shortens s to at most n bytes, between two characters.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
