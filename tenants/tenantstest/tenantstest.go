// Package tenantstest has what tests of every context ask of its use cases.
package tenantstest

import (
	"context"
	"reflect"
	"testing"

	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/id"
	"github.com/carillonhq/carillon/tenants"
)

// Nobody is an Authorizer that allows nothing.
type Nobody struct{}

// Allow implements tenants.Authorizer.
func (Nobody) Allow(context.Context, tenants.Scope, tenants.Action) error {
	return fault.New(fault.Forbidden, "nobody", "Nobody may.")
}

// Without is an Authorizer that allows everything but one action.
type Without tenants.Action

// Allow implements tenants.Authorizer.
func (w Without) Allow(ctx context.Context, who tenants.Scope, act tenants.Action) error {
	if act == tenants.Action(w) {
		return Nobody{}.Allow(ctx, who, act)
	}
	return nil
}

// Authorises calls every use case of the service that build makes, as an owner
// and with nothing else filled in: each has to ask whether it may before it
// looks at anything, and to refuse without that very action. but names those
// that ask nobody, with a reason.
func Authorises(t *testing.T, build func(tenants.Authorizer) any, but map[string]string) {
	t.Helper()
	first := new(asked)
	v, n, left := reflect.ValueOf(build(first)), 0, len(but)
	for i := range v.NumMethod() {
		m := v.Type().Method(i)
		if m.Type.NumIn() < 3 || m.Type.In(2) != reflect.TypeFor[tenants.Scope]() {
			continue
		}
		if but[m.Name] != "" {
			left--
			continue
		}
		n++
		t.Run(m.Name, func(t *testing.T) {
			first.act = ""
			refuses(t, v.Method(i))
			refuses(t, reflect.ValueOf(build(Without(first.act))).Method(i))
		})
	}
	if n == 0 || left != 0 {
		t.Errorf("%d use cases asked, %d exceptions are of none", n, left)
	}
}

// asked allows nothing, and keeps what it was asked first.
type asked struct{ act tenants.Action }

func (a *asked) Allow(ctx context.Context, who tenants.Scope, act tenants.Action) error {
	if a.act == "" {
		a.act = act
	}
	return Nobody{}.Allow(ctx, who, act)
}

func refuses(t *testing.T, method reflect.Value) {
	who := tenants.Scope{Tenant: tenants.NewID(), Kind: tenants.Agency, User: tenants.UserID(id.New("usr")), Role: tenants.Owner, Tier: tenants.Team}
	in := []reflect.Value{reflect.ValueOf(t.Context()), reflect.ValueOf(who)}
	for k := 2; k < method.Type().NumIn(); k++ {
		in = append(in, reflect.Zero(method.Type().In(k)))
	}
	if method.Type().IsVariadic() {
		in = in[:len(in)-1]
	}
	defer func() {
		if p := recover(); p != nil {
			t.Errorf("it went on without being allowed to: %v", p)
		}
	}()
	out := method.Call(in)
	err, _ := out[len(out)-1].Interface().(error)
	if f := fault.Of(err); f == nil || f.Reason != "nobody" {
		t.Errorf("err = %v, want nobody's", err)
	}
}
