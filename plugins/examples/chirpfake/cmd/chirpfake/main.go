// Command chirpfake serves Chirp, the platform of the examples, on this
// machine. Its one user is ann, with the token that it prints.
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"github.com/carillonhq/carillon/plugins/examples/chirpfake"
)

const token = "chirp-practice-token"

func main() {
	addr := flag.String("addr", "127.0.0.1:8088", "where to listen")
	flag.Parse()
	if err := run(*addr); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("Chirp is at http://%s; ann's token is %s\n", l.Addr(), token)
	server := &http.Server{Handler: chirpfake.New(map[string]string{token: "ann"}, nil), ReadHeaderTimeout: 10 * time.Second}
	return server.Serve(l)
}
