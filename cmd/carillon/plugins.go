package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/gateway"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/cmd/internal/firstparty"
)

// specs are the plugins that cfg enables.
func specs(cfg config) []pluginhost.Spec {
	all := []pluginhost.Spec{
		{ID: "org.joinmastodon", Name: "mastodon"},
		{ID: "org.telegram", Name: "telegram"},
		{ID: "com.discord", Name: "discord"},
		{ID: "dev.carillon.local", Name: "local"},
		{ID: "com.openai", Name: "openai", Env: []string{"CARILLON_OPENAI_URL=" + cfg.OpenAIURL}},
		{ID: "app.bsky", Name: "bluesky", Env: []string{"CARILLON_BLUESKY_APPVIEW=" + cfg.BlueskyView}},
	}
	if cfg.PigeonURL != "" {
		all = append(all, pluginhost.Spec{ID: "org.carillonhq.pigeon", Name: "pigeon", Env: []string{
			"CARILLON_PIGEON_URL=" + cfg.PigeonURL,
			"CARILLON_PIGEON_SETTLE=" + cfg.PigeonSettle,
			"CARILLON_PIGEON_NATIVE_KEY=" + cfg.PigeonNative,
		}})
	}
	return all
}

func (k *kernel) openPlugins(ctx context.Context) (err error) {
	if level := sandbox.Effective(); k.cfg.Sandbox != sandbox.Off && level.Name() != "full" {
		k.log.WarnContext(ctx, "the sandbox of plugins is not whole; run: carillon doctor", "mode", k.cfg.Sandbox, "level", level.String())
	} else {
		k.log.InfoContext(ctx, "sandbox of plugins", "mode", k.cfg.Sandbox, "level", level.String())
	}
	program, how := programOfPlugins()
	k.log.InfoContext(ctx, "program of plugins", "path", how)
	k.runs = how
	ln, err := net.Listen("tcp", k.cfg.GatewayAddr)
	if err != nil {
		return fmt.Errorf("CARILLON_GATEWAY_ADDR: %w", err)
	}
	k.onClose(func() { _ = ln.Close() })
	k.files = ln
	k.links = gateway.NewSigner(k.vault.Key(vault.Gateway), "http://"+ln.Addr().String(), time.Now, k.vault.Others(vault.Gateway)...)
	k.plugins, err = pluginhost.New(program.run(pluginhost.Config{
		Dir:      socketDir(k.cfg.StateDir),
		Log:      k.log,
		Egress:   func(id string) pluginhost.Egress { return k.proxy.Grant(id, nil) },
		Direct:   []string{ln.Addr().String()},
		Breakers: true,
		Timeouts: pluginhost.Timeouts{Unused: k.cfg.PluginUnused},
		Sandbox:  pluginhost.Sandbox{Mode: k.cfg.Sandbox, ReadOnly: k.cfg.SandboxRead},
		Observe:  func(o pluginhost.Observation) { k.metrics.Plugin(o.Plugin, o.Method, o.Outcome, o.Took) },
	}), specs(k.cfg))
	if err != nil {
		return fmt.Errorf("plugins: %w", err)
	}
	k.onClose(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 15*time.Second)
		defer cancel()
		_ = k.plugins.Close(ctx)
	})
	return nil
}

// socketDir is where every process of an installation keeps the sockets of its
// plugins: always the same place, so that one finds what another left behind
// when it was killed. The path of a socket is short by law, and pluginhost
// takes 50 bytes of it.
func socketDir(state string) string {
	name := "crl-" + strconv.Itoa(os.Getuid()) // of this user, for /tmp is everybody's
	for _, parent := range []string{state, os.TempDir()} {
		if dir := filepath.Join(parent, name); len(dir) <= 50 {
			return dir
		}
	}
	return filepath.Join("/tmp", name)
}

func pluginCommand() *cobra.Command {
	c := &cobra.Command{Use: "plugin", Short: "The platforms this program can speak to"}
	c.AddCommand(&cobra.Command{
		Use: "serve NAME [FILE]", Short: "Be a plugin; the plugin host runs this", Args: cobra.RangeArgs(1, 2), Hidden: true,
		RunE: func(_ *cobra.Command, args []string) error { return firstparty.Serve(args) },
	})
	c.AddCommand(packCommands()...)
	c.AddCommand(catalogCommands()...)
	c.AddCommand(pluginNewCommand(), pluginDevCommand(), pluginTestCommand())
	return c
}
