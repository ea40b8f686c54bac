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
	"syscall"
	_ "time/tzdata" // schedules name zones, whatever the machine has installed

	"github.com/spf13/cobra"

	"github.com/carillonhq/carillon/adapters/sandbox"
)

// version is set by the linker on release.
var version = "dev"

func main() {
	sandbox.Main()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := root().ExecuteContext(ctx)
	stop()
	if err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintln(os.Stderr, "carillon:", err)
		if errors.Is(err, errTampered) {
			os.Exit(2)
		}
		os.Exit(1)
	}
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
		networkCommand(), mediaWorkerCommand(), demoCommand(), citusCommand(), pauseCommand(), operatorCommand(), seedCommand(), keysCommand(), auditCommand())
	return c
}
