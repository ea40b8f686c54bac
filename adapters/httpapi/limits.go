package httpapi

import (
	"context"
	"fmt"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/gofiber/fiber/v2"
	"github.com/redis/go-redis/v9"
	"github.com/ulule/limiter/v3"
	"github.com/ulule/limiter/v3/drivers/store/memory"
	shared "github.com/ulule/limiter/v3/drivers/store/redis"

	"github.com/carillonhq/carillon/adapters/httpapi/api"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/tenants"
)

// perMinute is what each plan may do in a minute, by class of route.
var perMinute = map[string]map[tenants.Tier]int64{
	"read":   {tenants.Free: 300, tenants.Creator: 600, tenants.Pro: 1200, tenants.Team: 3000},
	"write":  {tenants.Free: 60, tenants.Creator: 120, tenants.Pro: 300, tenants.Team: 600},
	"upload": {tenants.Free: 20, tenants.Creator: 40, tenants.Pro: 100, tenants.Team: 200},
}

// perAddress is what one address may do in a minute where nobody is known: on a
// public route, and with credentials that are none. Whoever is known has the
// limit of their plan alone, however many of them share an address.
// What signs people in counts by route, and only holds back floods: an office
// is one address, and core/identity counts wrong tries by person and device.
var perAddress = map[string]int64{"address": 1200, "sign_in": 60, "ask": 30, "refresh": 60}

// alone is what sign-in is held to when counts cannot be shared: each of
// several processes then counts for itself.
const alone = 30

// Limits counts requests: in Redis if there is one, and in this process while
// Redis cannot be reached. It never fails a request, and nothing that costs
// money depends on it.
type Limits struct {
	local  limiter.Store
	client redis.UniversalClient
	factor int64

	mu      sync.Mutex
	remote  limiter.Store
	retryAt time.Time
}

// NewLimits returns limits shared through client, or local ones without it.
// The first request connects, so a Redis that is away delays no start. Give
// the client short timeouts: RedisOptions does.
func NewLimits(client redis.UniversalClient) *Limits {
	return &Limits{local: memory.NewStore(), client: client, factor: 1}
}

// RedisOptions reads a REDIS_URL for NewLimits: no retries, and 200 ms at most.
func RedisOptions(url string) (*redis.Options, error) {
	o, err := redis.ParseURL(url)
	if err != nil {
		return nil, fmt.Errorf("REDIS_URL: %w", err)
	}
	o.DialTimeout, o.ReadTimeout, o.WriteTimeout = 200*time.Millisecond, 200*time.Millisecond, 200*time.Millisecond
	o.MaxRetries, o.DialerRetries = -1, 1
	return o, nil
}

// Times multiplies every limit, for measurements and tests.
func (l *Limits) Times(n int64) *Limits { l.factor = n; return l }

// pause is how long a Redis that failed is left alone.
const pause = 2 * time.Second

// take counts one request against name's rate per minute.
func (l *Limits) take(ctx context.Context, class, name string, rate int64) limiter.Context {
	return l.ask(class, rate, func(store limiter.Store, r limiter.Rate) (limiter.Context, error) {
		return store.Increment(ctx, class+":"+name, 1, r)
	})
}

// look tells how name stands, and counts nothing. What has been used up is Reached.
func (l *Limits) look(ctx context.Context, class, name string, rate int64) limiter.Context {
	got := l.ask(class, rate, func(store limiter.Store, r limiter.Rate) (limiter.Context, error) {
		return store.Peek(ctx, class+":"+name, r)
	})
	got.Reached = got.Remaining <= 0
	return got
}

// ask asks the shared store, or the local one while that cannot be reached.
func (l *Limits) ask(class string, rate int64, of func(limiter.Store, limiter.Rate) (limiter.Context, error)) limiter.Context {
	r := limiter.Rate{Period: time.Minute, Limit: rate * l.factor}
	if store := l.store(); store != nil {
		got, err := of(store, r)
		if err == nil {
			return got
		}
		l.lost()
	}
	if l.client != nil && class == "sign_in" {
		r.Limit = min(r.Limit, alone*l.factor)
	}
	got, err := of(l.local, r)
	if err != nil { // memory does not fail
		return limiter.Context{Limit: r.Limit, Remaining: r.Limit}
	}
	return got
}

// store is the shared store, if it can be had without waiting long.
func (l *Limits) store() limiter.Store {
	if l.client == nil {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.remote == nil && time.Now().After(l.retryAt) {
		l.retryAt = time.Now().Add(pause)
		if s, err := shared.NewStoreWithOptions(l.client, limiter.StoreOptions{Prefix: "carillon:limit"}); err == nil {
			l.remote = s
		}
	}
	return l.remote
}

func (l *Limits) lost() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.remote, l.retryAt = nil, time.Now().Add(pause)
}

// limitAddress holds back an address. On a public route every request counts;
// elsewhere those whose credentials are none do, and when an address has sent
// too many of these, no more of its credentials are looked at.
func (s *surface) limitAddress(r api.Route) fiber.Handler {
	class := "address"
	if r.Public != "" && perAddress[r.Rate] > 0 {
		class = r.Rate
	}
	return func(c *fiber.Ctx) error {
		name := masked(s.client(c))
		if class == "sign_in" {
			name = r.Method + r.Path + " " + name
		}
		if r.Public != "" {
			return pass(c, class, s.Limits.take(c.UserContext(), class, name, perAddress[class]), true)
		}
		err := pass(c, class, s.Limits.look(c.UserContext(), class, name, perAddress[class]), false)
		if fault.Is(err, fault.Unauthenticated) {
			s.Limits.take(c.UserContext(), class, name, perAddress[class])
		}
		return err
	}
}

// limitCaller holds a tenant to its plan, and a person without one to the
// smallest.
func (s *surface) limitCaller(r api.Route) fiber.Handler {
	class := r.Rate
	switch {
	case perMinute[class] != nil:
	case r.Method == fiber.MethodGet:
		class = "read"
	default:
		class = "write"
	}
	return func(c *fiber.Ctx) error {
		if r.Public != "" {
			return c.Next()
		}
		name, tier := string(caller(c.UserContext()).User), tenants.Free
		if who, err := tenants.FromContext(c.UserContext()); err == nil {
			name, tier = string(who.Tenant), who.Tier
		}
		if who := operator(c.UserContext()); who.ID != "" {
			name, tier = string(who.ID), tenants.Team
		}
		rate, ok := perMinute[class][tier]
		if !ok {
			rate = perMinute[class][tenants.Free]
		}
		return pass(c, class, s.Limits.take(c.UserContext(), class, name, rate), true)
	}
}

// pass lets a request through or says when to come back.
func pass(c *fiber.Ctx, class string, l limiter.Context, announce bool) error {
	wait := max(l.Reset-time.Now().Unix(), 1)
	if announce || l.Reached {
		c.Set("RateLimit-Policy", fmt.Sprintf("%q;q=%d;w=60", class, l.Limit))
		c.Set("RateLimit", fmt.Sprintf("%q;r=%d;t=%d", class, max(l.Remaining, 0), wait))
	}
	if l.Reached {
		return fault.New(fault.RateLimited, "rate.limited", "Too many requests. Try again in %s seconds.", strconv.FormatInt(wait, 10)).
			After(time.Duration(wait) * time.Second)
	}
	return c.Next()
}

// masked is what counts as one address: an IPv6 client has a /64 to itself.
func masked(a netip.Addr) string {
	if a.Is6() {
		p, _ := a.Prefix(64)
		return p.String()
	}
	return a.String()
}
