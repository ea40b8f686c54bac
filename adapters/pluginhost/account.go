package pluginhost

import (
	"context"
	"errors"
	"regexp"

	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

func (p *platform) Connect(ctx context.Context, req social.ConnectRequest) (social.ConnectStep, error) {
	if err := p.needs(social.CanConnect); err != nil {
		return social.ConnectStep{}, err
	}
	defer p.e.secrets.lend(typed(req.Input)...)()
	shape, state := unstamp(req.State)
	req.State = state
	in := wire.FromConnect(req)
	r := p.query("connect", req.Call, in)
	r.instance, r.stateful, r.shape = req.Input["instance"], len(state) > 0, shape
	res, err := ask(ctx, p.e, r, func(ctx context.Context, to *process) (*pb.ConnectResponse, error) {
		shape = to.manifest.StateVersion
		return to.plugin.Connect(ctx, in)
	})
	if err != nil {
		return social.ConnectStep{}, startAgain(err)
	}
	step := wire.ToConnectStep(res)
	if step.Done == nil && step.Redirect == "" && len(step.Form) == 0 {
		return social.ConnectStep{}, errors.New("the plugin answered a sign-in with no next screen")
	}
	step.State, err = stamp(shape, step.State)
	return step, err
}

// startAgain is what an unreadable state means to a person who is signing in.
func startAgain(err error) error {
	var f *social.Fault
	if errors.As(err, &f) && f.Key == social.StateUnreadable {
		again := social.Fail(social.Invalid, "plugin.sign_in_outdated", "The connection to this platform changed while you were signing in. Please start again.")
		again.Source = social.FromPlugin
		return again
	}
	return err
}

// secretInput are the fields of a sign-in that are as secret as what comes of it.
var secretInput = regexp.MustCompile(`(?i)pass|secret|token|code|key`)

func typed(input map[string]string) (secret []string) {
	for k, v := range input {
		if secretInput.MatchString(k) {
			secret = append(secret, v)
		}
	}
	return secret
}

func (p *platform) Accounts(ctx context.Context, call social.Call) ([]social.Account, error) {
	if err := p.needs(social.CanAccounts); err != nil {
		return nil, err
	}
	in := &pb.AccountsRequest{Call: wire.FromCall(call)}
	res, err := ask(ctx, p.e, p.query("accounts", call, in), func(ctx context.Context, to *process) (*pb.AccountsResponse, error) {
		return to.plugin.Accounts(ctx, in)
	})
	if err != nil {
		return nil, err
	}
	return wire.ToAccounts(res.GetAccounts()), nil
}

func (p *platform) Refresh(ctx context.Context, call social.Call) (social.Credential, error) {
	if err := p.needs(social.CanRefresh); err != nil {
		return social.Credential{}, err
	}
	in := &pb.RefreshRequest{Call: wire.FromCall(call)}
	res, err := ask(ctx, p.e, p.query("refresh", call, in), func(ctx context.Context, to *process) (*pb.RefreshResponse, error) {
		return to.plugin.Refresh(ctx, in)
	})
	if err != nil {
		return social.Credential{}, err
	}
	if res.GetCredential() == nil {
		return social.Credential{}, errors.New("the plugin renewed a credential and does not say to what")
	}
	return wire.ToCredential(res.GetCredential()), nil
}
