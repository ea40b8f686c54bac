// Command chirpfake serves Chirp, the platform of the examples, on this
// machine, until it is stopped. Its users are ann and bob, whose tokens are
// token-of-ann and token-of-bob. It listens on the port in PORT, or 8088.
package main

import (
	"cmp"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/carillonhq/carillon/plugins/examples/chirpfake"
)

func main() {
	if err := run(net.JoinHostPort("127.0.0.1", cmp.Or(os.Getenv("PORT"), "8088"))); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(addr string) error {
	chirp := chirpfake.New(map[string]string{"token-of-ann": "ann", "token-of-bob": "bob"}, chirpfake.Options{})
	server := &http.Server{Addr: addr, Handler: chirp, ReadHeaderTimeout: 10 * time.Second}
	_, _ = fmt.Fprintf(os.Stdout, "Chirp is at http://%s\n", addr)
	return server.ListenAndServe()
}
