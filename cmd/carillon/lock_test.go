package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/carillonhq/carillon/plugins/pigeon/network"
)

// Two installations in one folder would write the same files.
func TestASecondInstallationOfAFolderIsRefused(t *testing.T) {
	dir := t.TempDir()
	first, err := lockDir(dir, "carillon dev on 127.0.0.1:1")
	must(t, err)
	_, err = openDev(t.Context(), io.Discard, devAddrs{api: "127.0.0.1:0", pigeon: "127.0.0.1:0", mail: "127.0.0.1:0"}, dir)
	for _, says := range []string{dir, fmt.Sprint("process ", os.Getpid()), "carillon dev on 127.0.0.1:1", "CARILLON_STATE_DIR"} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v does not say %q", err, says)
		}
	}
	left, err := os.ReadDir(dir)
	must(t, err)
	if len(left) != 1 {
		t.Errorf("the second one wrote %v", left)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer func() { _ = ln.Close() }()
	if err := runNetwork(t.Context(), ln, network.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "in use by process") {
		t.Errorf("a practice network there: %v", err)
	}
	must(t, first.Close())
	again, err := lockDir(dir, "another")
	must(t, err)
	must(t, again.Close())
}

// A command beside `carillon dev` finds its practice network wherever that listens.
func TestCommandsFindTheNetworkOfAFolder(t *testing.T) {
	dir, remove, err := demoDir()
	must(t, err)
	t.Cleanup(remove)
	d, err := openDev(t.Context(), io.Discard, devAddrs{api: "127.0.0.1:0", pigeon: "127.0.0.1:0", mail: "127.0.0.1:0"}, dir)
	must(t, err)
	defer d.close()
	t.Setenv("CARILLON_STATE_DIR", dir)
	for named, want := range map[string]string{"": d.cfg.PigeonURL, "http://127.0.0.1:1": "http://127.0.0.1:1"} {
		cfg := config{PigeonURL: named}
		leave, err := joinDev(t.Context(), &cfg, io.Discard)
		must(t, err)
		leave()
		if cfg.PigeonURL != want {
			t.Errorf("the network is at %q, want %q", cfg.PigeonURL, want)
		}
	}
}
