package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/adapters/smtp"
	"github.com/carillonhq/carillon/ports/fault"
	"github.com/carillonhq/carillon/ports/social"
)

// A check is one thing that must be right for an installation to work.
type check struct {
	name string
	run  func(context.Context) (string, error)
}

func doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use: "doctor", Short: "Say what is wrong with this installation", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg, err := loadConfig(os.Getenv)
			if err != nil {
				return err
			}
			leave, err := joinDev(c.Context(), &cfg, c.ErrOrStderr())
			if err != nil {
				return err
			}
			defer leave()
			return diagnose(c, cfg)
		},
	}
}

// errUnwell is doctor's verdict; the table above it says why.
var errUnwell = errors.New("something is wrong, see above")

func diagnose(c *cobra.Command, cfg config) error {
	w := tabwriter.NewWriter(c.OutOrStdout(), 0, 0, 2, ' ', 0)
	var unwell error
	for _, ch := range checks(cfg) {
		ctx, cancel := context.WithTimeout(c.Context(), 20*time.Second)
		said, err := ch.run(ctx)
		cancel()
		mark := "ok"
		switch {
		case errors.Is(err, errNotLooked):
			mark, said = "skipped", err.Error()
		case err != nil:
			mark, said, unwell = "WRONG", err.Error(), errUnwell
		}
		fmt.Fprintf(w, "%s\t%s\t%s\n", mark, ch.name, said)
	}
	return errors.Join(w.Flush(), unwell)
}

// errNotLooked is the verdict on what comes after an installation that does not open.
var errNotLooked = errors.New("not looked at: the installation does not open")

func checks(cfg config) []check {
	var k *kernel
	whole := func(ctx context.Context) (string, error) {
		if _, err := cfg.databases(); err != nil {
			return "", err
		}
		looks := cfg
		if err := checkMail(cfg); err != nil { // said by itself; the rest is looked at nevertheless
			dir, err := os.MkdirTemp("", "carillon-doctor-*")
			if err != nil {
				return "", err
			}
			defer func() { _ = os.RemoveAll(dir) }()
			looks.MailURL, looks.Mailbox = "", dir
		}
		var err error
		if k, err = open(ctx, looks, logger(config{LogLevel: "error"})); err != nil {
			return "", err
		}
		return "every part opens", nil
	}
	with := func(fn func(context.Context) (string, error)) func(context.Context) (string, error) {
		return func(ctx context.Context) (string, error) {
			if k == nil {
				return "", errNotLooked
			}
			return fn(ctx)
		}
	}
	return []check{
		{"installation", whole},
		{"mail", func(context.Context) (string, error) { return "set up; nothing was sent", checkMail(cfg) }},
		{"sandbox", func(context.Context) (string, error) { return checkSandbox(cfg.Sandbox) }},
		{"clock", with(func(ctx context.Context) (string, error) { return k.checkClock(ctx) })},
		{"dispatch", with(func(ctx context.Context) (string, error) { return k.checkDispatch(ctx) })},
		{"workers", with(func(ctx context.Context) (string, error) { return k.checkWorkers(ctx) })},
		{"plugins", with(func(ctx context.Context) (string, error) { return k.checkPlugins(ctx) })},
		{"run by", with(func(context.Context) (string, error) { return k.runs, nil })},
		{"media", with(func(ctx context.Context) (string, error) { return k.checkMedia(ctx) })},
		{"closing", with(func(context.Context) (string, error) { k.close(); return "nothing left behind", nil })},
	}
}

// checkMail tells whether there is a way for mail to go.
func checkMail(cfg config) error {
	if cfg.Mailbox != "" {
		return nil
	}
	if cfg.MailURL == "" {
		return errors.New("CARILLON_MAIL_URL is not set; people could not confirm their address")
	}
	if _, err := smtp.ParseURL(cfg.MailURL, cfg.MailFrom); err != nil {
		return fmt.Errorf("CARILLON_MAIL_URL: %w", err)
	}
	return nil
}

// checkSandbox tells how plugins are confined on this machine. What is missing
// is wrong only for those who require it.
func checkSandbox(mode sandbox.Mode) (string, error) {
	if mode == sandbox.Off {
		return "switched off: plugins run with this user's rights", nil
	}
	level := sandbox.Effective()
	if mode == sandbox.Required && level.Name() != "full" {
		return "", errors.New("required, and " + level.String())
	}
	return level.String(), nil
}

func (k *kernel) checkClock(ctx context.Context) (string, error) {
	before := time.Now()
	there, err := k.db.Now(ctx)
	if err != nil {
		return "", err
	}
	off := there.Sub(before).Abs()
	if off > 5*time.Second {
		return "", fmt.Errorf("this machine's clock and the database's differ by %s", off.Round(time.Millisecond))
	}
	return "agrees with the database's within " + off.Round(time.Millisecond).String(), nil
}

// checkDispatch asks for no work, which takes everything that work would.
func (k *kernel) checkDispatch(ctx context.Context) (string, error) {
	if _, err := k.db.Queue().Claim(ctx, "doctor", 0, time.Second); err != nil {
		return "", err
	}
	return "the queue answers", nil
}

// checkWorkers names those who publish now. One that has stopped without a word
// stays listed for a day.
func (k *kernel) checkWorkers(ctx context.Context) (string, error) {
	ws, err := k.db.Workers(ctx)
	if err != nil {
		return "", err
	}
	var claiming, silent []string
	for _, w := range ws {
		if w.Quiet < claimWithin {
			claiming = append(claiming, fmt.Sprintf("%s (%s, %d of %d slots busy, up %s)", w.Holder, w.Version, w.Busy, w.Slots, w.Up.Round(time.Second)))
		} else {
			silent = append(silent, fmt.Sprintf("%s for %s", w.Holder, w.Quiet.Round(time.Second)))
		}
	}
	said := strings.Join(claiming, ", ")
	if len(silent) > 0 {
		said += "; silent: " + strings.Join(silent, ", ")
	}
	if len(claiming) == 0 {
		return "", errors.New("nobody publishes; run: carillon work" + said)
	}
	return said, nil
}

// manifest starts a plugin, be it for a platform or for models.
func (k *kernel) manifest(ctx context.Context, id string) (social.Manifest, error) {
	p, err := k.plugins.Platform(ctx, id)
	if err == nil {
		return p.Manifest(), nil
	}
	if !fault.Is(err, fault.NotFound) {
		return social.Manifest{}, err
	}
	v, err := k.plugins.Vendor(ctx, id)
	if err != nil {
		return social.Manifest{}, err
	}
	return v.Manifest(), nil
}

// checkPlugins starts what is built in and what the catalog wants here.
func (k *kernel) checkPlugins(ctx context.Context) (string, error) {
	if err := k.deployer.Sync(ctx); err != nil {
		return "", err
	}
	said := ""
	for _, s := range k.plugins.Status() {
		m, err := k.manifest(ctx, s.ID)
		if err != nil {
			return "", fmt.Errorf("%s: %w", s.ID, err)
		}
		said += m.Name + " " + m.Version + "  "
		if ending := m.Ending(time.Now()); ending != "" {
			said += "(" + ending + ")  "
		}
	}
	return said, nil
}
