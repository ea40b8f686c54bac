package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/bundle"
	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/cmd/internal/firstparty"
	"github.com/carillonhq/carillon/core/catalog"
	"github.com/carillonhq/carillon/plugins/declarative"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

// packCommands are an author's: from a folder to a signed bundle. They need no
// installation.
func packCommands() []*cobra.Command {
	var out, key string
	var noBuild bool
	pack := &cobra.Command{
		Use: "pack DIR", Short: "Build a plugin's folder and make a bundle of it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if !noBuild {
				if err := build(c.Context(), c.ErrOrStderr(), args[0]); err != nil {
					return err
				}
			}
			at, l, err := packTo(c.Context(), args[0], out)
			if err != nil {
				return err
			}
			return say(c, "%s: %s %s for %s, %d files\n", at, l.ID, l.Version, l.Platform, len(l.Files))
		},
	}
	pack.Flags().StringVarP(&out, "output", "o", "", "file or folder to write to; else the present folder")
	pack.Flags().BoolVar(&noBuild, "no-build", false, "pack what is there, without the build command of carillon.yaml")
	keygen := &cobra.Command{
		Use: "keygen", Short: "Make a key to sign bundles with", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			id, err := keygen(key)
			if err != nil {
				return err
			}
			return say(c, "key %s: %s signs and stays with you, %s.pub is for those who trust it\n", id, key, key)
		},
	}
	sign := &cobra.Command{
		Use: "sign BUNDLE", Short: "Sign a bundle", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			signed, err := sign(args[0], key)
			if err != nil {
				return err
			}
			return say(c, "%s: signed by key %s\n", args[0], signed.Signature.Key)
		},
	}
	for _, c := range []*cobra.Command{keygen, sign} {
		c.Flags().StringVar(&key, "key", "carillon-plugin.key", "file of the private key")
	}
	return []*cobra.Command{pack, keygen, sign, verifyCommand()}
}

func say(c *cobra.Command, format string, args ...any) error {
	_, err := fmt.Fprintf(c.OutOrStdout(), format, args...)
	return err
}

// build makes the project in dir, if it says how.
func build(ctx context.Context, out io.Writer, dir string) error {
	p, err := bundle.Open(dir)
	if err != nil {
		return err
	}
	return runBuild(ctx, out, p.Dir, p.Build)
}

// packTo packs the project in dir to a file, by default named after the plugin.
func packTo(ctx context.Context, dir, out string) (string, bundle.Lock, error) {
	var packed bytes.Buffer
	l, err := packInto(ctx, dir, &packed)
	if err != nil {
		return "", l, err
	}
	if info, err := os.Stat(out); out == "" || err == nil && info.IsDir() {
		out = filepath.Join(out, l.Name())
	}
	return out, l, os.WriteFile(out, packed.Bytes(), 0o644)
}

// packInto builds nothing: what is there is packed.
func packInto(ctx context.Context, dir string, w io.Writer) (bundle.Lock, error) {
	p, err := bundle.Open(dir)
	if err != nil {
		return bundle.Lock{}, err
	}
	if len(p.Command) == 0 { // the file's own mistakes, where they are
		if _, err := declarative.Open(p.Dir, declarative.Options{}); err != nil {
			return bundle.Lock{}, err
		}
	}
	m, err := ask(ctx, p)
	if err != nil {
		return bundle.Lock{}, fmt.Errorf("%s does not say what it is: %w", dir, err)
	}
	raw, err := wire.ManifestJSON(m)
	if err != nil {
		return bundle.Lock{}, err
	}
	return p.Pack(w, bundle.Description{ID: m.ID, Version: m.Version, Manifest: raw})
}

// nowhere is the way out of a plugin that is only asked what it is: none. At that
// port of this machine nobody listens.
type nowhere struct{}

// URL implements pluginhost.Egress.
func (nowhere) URL() string { return "http://nowhere:nobody@127.0.0.1:1" }

// Allow implements pluginhost.Egress.
func (nowhere) Allow(...string) func() { return func() {} }

// Begin implements pluginhost.Egress.
func (nowhere) Begin(context.Context, egress.Call, ...string) (string, func()) { return "", func() {} }

// Revoke implements pluginhost.Egress.
func (nowhere) Revoke() {}

// ask starts the project's plugin where it stands, for its manifest. It reaches
// nothing: nobody has looked at it yet.
func ask(ctx context.Context, p bundle.Project) (social.Manifest, error) {
	dir, err := os.MkdirTemp("", "crl-")
	if err != nil {
		return social.Manifest{}, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	binary, err := os.Executable()
	if err != nil {
		return social.Manifest{}, err
	}
	run := p.Spec()
	host, err := pluginhost.New(pluginhost.Config{
		Binary: binary, Args: firstparty.Args, Dir: dir, Log: slog.New(slog.DiscardHandler),
		Egress: func(string) pluginhost.Egress { return nowhere{} },
	}, []pluginhost.Spec{{Name: run.Name, Binary: run.Binary, Args: run.Args, Dir: run.Dir, Start: 20 * time.Second}})
	if err != nil {
		return social.Manifest{}, err
	}
	defer func() { _ = host.Close(context.WithoutCancel(ctx)) }()
	plugin, err := host.Platform(ctx, "")
	if err != nil {
		if last := host.Status()[0].LastError; last != "" {
			err = errors.New(last)
		}
		return social.Manifest{}, err
	}
	return plugin.Manifest(), nil
}

// keygen writes a new key pair. It replaces none.
func keygen(path string) (string, error) {
	private, public, id, err := bundle.NewKey()
	if err != nil {
		return "", err
	}
	for _, f := range []struct {
		path string
		text []byte
		mode os.FileMode
	}{{path, private, 0o600}, {path + ".pub", public, 0o644}} {
		file, err := os.OpenFile(f.path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, f.mode)
		if err != nil {
			return "", err
		}
		_, err = file.Write(f.text)
		if err = errors.Join(err, file.Close()); err != nil {
			return "", err
		}
	}
	return id, nil
}

func sign(path, keyPath string) (bundle.Contents, error) {
	text, err := os.ReadFile(keyPath)
	if err != nil {
		return bundle.Contents{}, err
	}
	key, err := bundle.ParsePrivateKey(text)
	if err != nil {
		return bundle.Contents{}, fmt.Errorf("%s: %w", keyPath, err)
	}
	in, err := os.Open(path)
	if err != nil {
		return bundle.Contents{}, err
	}
	defer in.Close()
	var out bytes.Buffer
	c, err := bundle.Sign(&out, in, key)
	if err != nil {
		return c, err
	}
	// Aside first: a bundle is whole or not there.
	if err := os.WriteFile(path+".new", out.Bytes(), 0o644); err != nil {
		return c, err
	}
	return c, os.Rename(path+".new", path)
}

func verifyCommand() *cobra.Command {
	var key string
	c := &cobra.Command{
		Use: "verify BUNDLE", Short: "Check a bundle, and say what is in it", Args: cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			in, err := os.Open(args[0])
			if err != nil {
				return err
			}
			defer in.Close()
			got, err := bundle.Inspect(in)
			if err != nil {
				return err
			}
			by, err := signerOf(got, key)
			if err != nil {
				return err
			}
			return say(c, "%s %s for %s\ndigest %s\n%s\n", got.Lock.ID, got.Lock.Version, got.Lock.Platform, got.Digest, by)
		},
	}
	c.Flags().StringVar(&key, "key", "", "file of the public key that has to have signed it")
	return c
}

// signerOf says who signed, and fails if a key is asked for and it was another.
func signerOf(c bundle.Contents, keyPath string) (string, error) {
	if _, err := read(c); err != nil {
		return "", err
	}
	if keyPath == "" && c.Signature == nil {
		return "signed by nobody", nil
	}
	if keyPath != "" {
		text, err := os.ReadFile(keyPath)
		if err != nil {
			return "", err
		}
		k, err := catalog.ParseKey(string(text))
		if err != nil {
			return "", fmt.Errorf("%s: %w", keyPath, err)
		}
		if c.Signature == nil || !bytes.Equal(c.Signature.Public, k.Public) {
			return "", fmt.Errorf("it is not signed by key %s", k.ID)
		}
	}
	return "signed by key " + c.Signature.Key, nil
}
