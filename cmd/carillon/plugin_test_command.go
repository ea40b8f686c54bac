package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/bundle"
	"github.com/carillonhq/carillon/adapters/conformance"
	"github.com/carillonhq/carillon/adapters/rehearsal"
	"github.com/carillonhq/carillon/cmd/internal/firstparty"
)

// trial is what `carillon plugin test` was asked for.
type trial struct {
	level, junit, matrix string
	quiet                bool
	only                 []string
	noBuild              bool
	load                 conformance.Load
}

func pluginTestCommand() *cobra.Command {
	var t trial
	c := &cobra.Command{
		Use: "test PATH|EXECUTABLE", Short: "Hold a plugin to the contract", Args: cobra.ExactArgs(1),
		Long: `Hold a plugin to the contract, as a process under the real host, against the fake
of its platform that carillon.yaml names.

  L0  the process: handshake, manifest, deadlines, leaving
  L1  the happy path of everything that the manifest promises
  L2  every request that changes something, gone wrong in every way
  L3  the process killed between and inside all steps
  L4  two tenants at once
  L5  load`,
		RunE: func(c *cobra.Command, args []string) error { return t.run(c.Context(), c.OutOrStdout(), args[0]) },
	}
	f := c.Flags()
	f.StringVar(&t.level, "level", "L4", "how far to go: L0 to L5")
	f.StringVar(&t.junit, "junit", "", "write JUnit XML to this file")
	f.StringVar(&t.matrix, "matrix", "", "write the capability matrix to this file: JSON if it ends in .json, else Markdown")
	f.BoolVar(&t.quiet, "quiet", false, "show only what is not fine")
	f.StringSliceVar(&t.only, "only", nil, "run only checks whose name begins so, such as L2.post-text")
	f.BoolVar(&t.noBuild, "no-build", false, "do not run the build command of carillon.yaml")
	f.IntVar(&t.load.Publications, "load", 500, "publications of L5")
	f.IntVar(&t.load.AtOnce, "at-once", 16, "of them at once")
	return c
}

func (t trial) run(ctx context.Context, out io.Writer, path string) error {
	level, err := parseLevel(t.level)
	if err != nil {
		return err
	}
	if err := reachable(t.only, level); err != nil {
		return err
	}
	opt, build, err := authorsPlugin(path)
	if err != nil {
		return err
	}
	if !t.noBuild {
		if err := runBuild(ctx, out, opt.Files, build); err != nil {
			return err
		}
	}
	report, err := conformance.Run(ctx, conformance.Options{Options: opt, Level: level, Only: t.only, Load: t.load, Progress: func(r conformance.Result) {
		if !t.quiet || r.Status != conformance.Passed && r.Status != conformance.Skipped {
			r.Text(out)
		}
	}})
	if err != nil {
		return err
	}
	report.Summary(out)
	if err := missed(report, t.only); err != nil {
		return err
	}
	if err := t.write(report); err != nil {
		return err
	}
	if n := len(report.Failed()); n > 0 {
		return fmt.Errorf("%d of %d checks failed", n, len(report.Results))
	}
	return nil
}

// reachable says which of only is of a level that was not asked for.
func reachable(only []string, level int) error {
	for _, prefix := range only {
		for above := level + 1; above <= conformance.Top; above++ {
			if name := fmt.Sprintf("L%d", above); strings.HasPrefix(prefix, name) {
				return fmt.Errorf("--only %s: %s needs --level %s", prefix, name, name)
			}
		}
	}
	return nil
}

// missed says which of only met no check.
func missed(r conformance.Report, only []string) error {
	for _, prefix := range only {
		if !slices.ContainsFunc(r.Results, func(one conformance.Result) bool { return strings.HasPrefix(one.ID, prefix) }) {
			return fmt.Errorf("--only %s: no check up to L%d has a name that begins so; without --only all names are shown", prefix, r.Level)
		}
	}
	return nil
}

func (t trial) write(r conformance.Report) error {
	for path, write := range map[string]func(io.Writer) error{t.junit: r.JUnit, t.matrix: func(w io.Writer) error {
		if filepath.Ext(t.matrix) == ".json" {
			return r.Matrix().JSON(w)
		}
		return r.Matrix().Markdown(w)
	}} {
		if path == "" {
			continue
		}
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		if err := errors.Join(write(f), f.Close()); err != nil {
			return err
		}
	}
	return nil
}

func parseLevel(text string) (int, error) {
	for level := range conformance.Top + 1 {
		if strings.EqualFold(text, fmt.Sprintf("L%d", level)) || text == fmt.Sprint(level) {
			return level, nil
		}
	}
	return 0, fmt.Errorf("there is no level %q: L0 to L%d", text, conformance.Top)
}

// authorsPlugin is the plugin in a folder, or an executable alone, and how it
// is built.
func authorsPlugin(path string) (opt rehearsal.Options, build []string, err error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return opt, nil, err
	}
	info, err := os.Stat(abs)
	if err != nil {
		return opt, nil, err
	}
	opt.Self = firstparty.Args
	if info.Mode().IsRegular() && filepath.Ext(abs) != ".yaml" {
		opt.Program = rehearsal.Program{Name: filepath.Base(abs), Binary: abs, Dir: filepath.Dir(abs)}
		opt.Files = filepath.Dir(abs)
		opt.Settings, err = rehearsal.Load(opt.Files)
		return opt, nil, err
	}
	project, err := bundle.Open(abs)
	if err != nil {
		return opt, nil, err
	}
	s := project.Spec()
	opt.Program = rehearsal.Program{Name: cmp.Or(s.Name, filepath.Base(project.Dir)), Binary: s.Binary, Args: s.Args, Dir: s.Dir, Slow: s.Interpreter}
	opt.Files = project.Dir
	opt.Settings, err = rehearsal.Load(project.Dir)
	return opt, project.Build, err
}

// runBuild runs a project's build command, if it has one.
func runBuild(ctx context.Context, out io.Writer, dir string, build []string) error {
	if len(build) == 0 {
		return nil
	}
	cmd := exec.CommandContext(ctx, build[0], build[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("build %s: %w", strings.Join(build, " "), err)
	}
	return nil
}
