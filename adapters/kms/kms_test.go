package kms_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/kms"
	"github.com/carillonhq/carillon/adapters/kms/transittest"
	"github.com/carillonhq/carillon/adapters/vault"
	"github.com/carillonhq/carillon/ports/fault"
	port "github.com/carillonhq/carillon/ports/kms"
	"github.com/carillonhq/carillon/ports/kms/kmstest"
	"github.com/carillonhq/carillon/ports/secret"
)

func master(b byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{b}, vault.KeySize))
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.WriteFile(path+".new", []byte(text), 0o600), os.Rename(path+".new", path)); err != nil {
		t.Fatal(err)
	}
}

func TestEnvironment(t *testing.T) {
	ring := func(t *testing.T, text string) port.Keeper {
		r, err := vault.ParseRing(text)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	kmstest.Run(t, func(t *testing.T) kmstest.Bench {
		return kmstest.Bench{
			Keeper: ring(t, master(1)),
			Next:   func(t *testing.T) port.Keeper { return ring(t, "2:"+master(2)+" 1:"+master(1)) },
			Drop:   func(t *testing.T) port.Keeper { return ring(t, "2:"+master(2)) },
		}
	})
}

func TestFile(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) kmstest.Bench {
		path := filepath.Join(t.TempDir(), "keys")
		write(t, path, master(1))
		f, err := kms.OpenFile(path)
		if err != nil {
			t.Fatal(err)
		}
		next := func(text string) func(t *testing.T) port.Keeper { // the same keeper: it reads the file again
			return func(t *testing.T) port.Keeper { write(t, path, text); return f }
		}
		return kmstest.Bench{Keeper: f, Next: next("# the new one\n2:" + master(2) + "\n1:" + master(1)), Drop: next("2:" + master(2))}
	})
}

func TestAFileIsItsOwnersAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, master(1))
	for mode, ok := range map[os.FileMode]bool{0o600: true, 0o400: true, 0o640: false, 0o604: false, 0o666: false, 0o610: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := kms.OpenFile(path); (err == nil) != ok || err != nil && !strings.Contains(err.Error(), "chmod 600") {
			t.Errorf("%#o: %v", mode, err)
		}
	}
	if _, err := kms.OpenFile(path + ".none"); err == nil {
		t.Error("no file")
	}
}

// What was read counts while the file is gone or half written.
func TestAFileThatIsBeingWritten(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	write(t, path, master(1))
	f, err := kms.OpenFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, spoil := range []func() error{
		func() error { write(t, path, "half a k"); return nil }, func() error { return os.Chmod(path, 0o644) }, func() error { return os.Remove(path) },
	} {
		if err := spoil(); err != nil {
			t.Fatal(err)
		}
		if k, err := f.Keys(t.Context()); err != nil || k.Current != "master/1" {
			t.Errorf("%+v, %v", k, err)
		}
	}
}

func transit(f *transittest.Fake, now func() time.Time, token func() string) *kms.Transit {
	out := egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}})
	return kms.NewTransit(kms.TransitConfig{
		Address: f.URL, Mount: "transit", Key: "carillon", Namespace: "team", Client: out.Client(10*time.Second, 1<<20), Now: now,
		Token: func() (secret.Secret, error) { return secret.Secret(token()), nil },
	})
}

func TestTransit(t *testing.T) {
	kmstest.Run(t, func(t *testing.T) kmstest.Bench {
		f := transittest.New(t)
		k := transit(f, time.Now, func() string { return "hvs.first" })
		return kmstest.Bench{
			Keeper: k,
			Next:   func(*testing.T) port.Keeper { f.Change(f.Rotate); return k },
			Drop:   func(*testing.T) port.Keeper { f.Change(func() { f.Oldest = 2 }); return k },
			Lock: func(*testing.T) func() {
				f.Change(func() { f.Sealed = true })
				return func() { f.Change(func() { f.Sealed = false }) }
			},
		}
	})
}

func TestTheTokenIsRenewedAndReplaced(t *testing.T) {
	f := transittest.New(t)
	now, token := time.Now(), "hvs.first"
	k := transit(f, func() time.Time { return now }, func() string { return token })
	use := func() error {
		_, err := k.Wrap(t.Context(), []byte("key"), nil)
		return err
	}
	for range 3 {
		if err := use(); err != nil {
			t.Fatal(err)
		}
	}
	if f.Renewed != 1 {
		t.Errorf("renewed %d times at first", f.Renewed)
	}
	now = now.Add(31 * time.Minute)
	if err := use(); err != nil || f.Renewed != 2 {
		t.Errorf("renewed %d times after half its life, %v", f.Renewed, err)
	}
	f.Change(func() { f.Token = "hvs.second" }) // the first was revoked
	if err := use(); !fault.Is(err, fault.Unavailable) || strings.Contains(err.Error(), "hvs.") {
		t.Errorf("with a token that has ended: %v", err)
	}
	token = "hvs.second" // an agent put it there
	if err := use(); err != nil {
		t.Error(err)
	}
}

// held keeps renewals on their way until it is let go.
type held struct {
	http.RoundTripper
	began, letGo chan struct{}
}

func (h held) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "renew-self") {
		close(h.began)
		<-h.letGo
	}
	return h.RoundTripper.RoundTrip(r)
}

func TestNobodyWaitsForARenewal(t *testing.T) {
	f := transittest.New(t)
	k := transit(f, time.Now, func() string { return "hvs.first" })
	h := held{k.Client.Transport, make(chan struct{}), make(chan struct{})}
	k.Client.Transport = h
	use := func() chan error {
		done := make(chan error, 1)
		go func() {
			_, err := k.Wrap(t.Context(), []byte("key"), nil)
			done <- err
		}()
		return done
	}
	renews := use()
	<-h.began
	select {
	case err := <-use():
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Error("it waits")
	}
	close(h.letGo)
	if err := <-renews; err != nil {
		t.Error(err)
	}
}

// Nothing that was kept leads Vault elsewhere.
func TestANameLeadsNowhereElse(t *testing.T) {
	f := transittest.New(t)
	k := transit(f, time.Now, func() string { return "hvs.first" })
	for _, name := range []string{"transit/other/1", "transit/carillon/../../sys/1", "transit/carillon/1:x", "transit/carillon/01", "master/1", "transit/carillon/-1"} {
		if _, err := k.Unwrap(t.Context(), port.Wrapped{Key: name, Bytes: []byte("x")}, nil); err == nil {
			t.Errorf("%s opens", name)
		}
	}
	if slices.ContainsFunc(f.Seen, func(s string) bool {
		return !strings.Contains(s, "/transit/decrypt/carillon") && !strings.Contains(s, "renew-self")
	}) {
		t.Errorf("asked %q", f.Seen)
	}
}

// Vault that is not there, and one that answers nonsense, are away: nothing is lost.
func TestAVaultThatIsAway(t *testing.T) {
	f := transittest.New(t)
	k := transit(f, time.Now, func() string { return "hvs.first" })
	w, err := k.Wrap(t.Context(), []byte("key"), []byte("b"))
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := k.Unwrap(t.Context(), w, []byte("b")); !fault.Is(err, fault.Unavailable) {
		t.Errorf("err = %v", err)
	}
}
