package pluginhost

import (
	"cmp"
	"maps"

	"github.com/carillonhq/carillon/ports/social"
)

// limited is the fault of a call whose quota this process was told is used up.
func (b *breakers) limited(r request, instance string) *social.Fault {
	for _, s := range []social.QuotaScope{social.ScopeApp, social.ScopeTenant, social.ScopeAccount} {
		q := quotaOf(r, instance, s)
		o, ok := b.quotas[q]
		if !ok {
			continue
		}
		wait := o.until.Sub(b.now())
		if wait <= 0 {
			delete(b.quotas, q)
			continue
		}
		f := social.Fail(social.RateLimited, "platform.rate_limited", "This platform takes no more for now.")
		f.Scope, f.RetryAfter = o.scope, wait
		return f
	}
	return nil
}

func (b *breakers) learnQuota(t *ticket, err error) {
	f := social.FaultOf(err, false)
	if err == nil || f.Kind != social.RateLimited || f.RetryAfter <= 0 {
		return
	}
	s := cmp.Or(f.Scope, social.ScopeAccount)
	if s == social.ScopeAccount && t.r.account == "" && t.r.model == "" {
		return
	}
	if len(b.quotas) >= maxBreakers {
		maps.DeleteFunc(b.quotas, func(_ quota, o quotaOpen) bool { return !o.until.After(b.now()) })
	}
	if len(b.quotas) >= maxBreakers {
		return
	}
	b.quotas[quotaOf(t.r, t.platform.instance, s)] = quotaOpen{b.now().Add(min(f.RetryAfter, maxQuotaOpen)), s}
}

// quotaOf names an allowance. An app is one client of one instance; an account
// with an AI vendor has one for each model.
func quotaOf(r request, instance string, s social.QuotaScope) quota {
	q := quota{kind: r.kind(), scope: string(s), subject: instance + " " + r.call.App["client_id"]}
	switch s {
	case social.ScopeTenant:
		q.subject += " " + r.call.Tenant
	case social.ScopeAccount:
		q.subject += " " + r.call.Tenant + " " + r.account
		q.model = r.model
	}
	return q
}
