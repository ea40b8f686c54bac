// Passwords makes the filter of stolen passwords from a list, one a line:
//
//	go run ./cmd/passwords LIST core/identity/breached/breached.bin
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/carillonhq/carillon/core/identity/breached"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: passwords LIST FILTER")
	}
	list, err := os.ReadFile(args[0])
	if err != nil {
		return err
	}
	lines := strings.Split(strings.ReplaceAll(string(list), "\r\n", "\n"), "\n")
	return os.WriteFile(args[1], breached.Make(lines), 0o644)
}
