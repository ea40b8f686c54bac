// Command carillon is the whole product in one program: the API server, the
// workers, the plugins, and everything an operator does.
//
// Processes of one installation share a database and nothing else. `serve`
// answers requests, `work` publishes; run as many of each as needed. `dev` is
// both in one process with a private database and the practice network, for a
// machine of one's own. Start with kernel.go, which says what there is and who
// uses it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	_ "time/tzdata" // schedules name zones, whatever the machine has installed

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/ports/fault"
)

// version is set by the linker on release.
var version = "dev"

func main() {
	sandbox.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "carillon:", plainly(err))
		if errors.Is(err, errTampered) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// plainly is err for whoever typed the command. Why somebody may not, or what is
// not there, is theirs to know; how we found out is not. What is broken or away
// is said with its cause: they are the ones to repair it.
func plainly(err error) string {
	text := err.Error()
	var f *fault.Error
	for e := err; errors.As(e, &f); e = f.Err {
		if f.Err == nil || f.Code == fault.Internal || f.Code == fault.Unavailable {
			break
		}
		text = strings.Replace(text, ": "+f.Err.Error(), "", 1)
	}
	return text
}

func root() *cobra.Command {
	c := &cobra.Command{
		Use:           "carillon",
		Short:         "Make social content and publish it everywhere",
		Version:       version,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	c.AddCommand(devCommand(), serveCommand(), workCommand(), migrateCommand(), pluginCommand(), doctorCommand(),
		networkCommand(), mediaWorkerCommand(), demoCommand(), citusCommand(), pauseCommand(), operatorCommand(), seedCommand(), secretsCommand(), auditCommand())
	return c
}
