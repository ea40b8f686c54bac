package pluginhost_test

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
	"golang.org/x/sys/unix"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
	"github.com/carillonhq/carillon/plugins/local"
	"github.com/carillonhq/carillon/plugins/openai"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/ports/social"
)

// The test binary is every plugin: run as "… fixture NAME" it is that one.
func TestMain(m *testing.M) {
	sandbox.Main()
	if len(os.Args) == 3 && os.Args[1] == "fixture" {
		fixture(os.Args[2])
		os.Exit(0)
	}
	if name := os.Getenv("FIXTURE"); name != "" {
		fixture(name)
	}
	os.Exit(m.Run())
}

func fixture(name string) {
	if rest, ok := strings.CutPrefix(name, "version:"); ok {
		sdk.Serve(parseVersioned(rest))
	}
	dir := os.Getenv("PLUGIN_UNIX_SOCKET_DIR")
	cert := strings.Repeat("A", 400)
	switch name {
	case "good", "frozen":
		sdk.Serve(good{})
	case "clinging":
		cling()
		sdk.Serve(good{})
	case "hostile":
		sdk.Serve(hostile{})
	case "blab":
		sdk.Serve(blab{})
	case "finder":
		sdk.Serve(finder{})
	case "host":
		runHost()
	case "tcp":
		say("1|1|tcp|127.0.0.1:9|grpc|" + cert)
	case "outside":
		say("1|1|unix|/tmp/elsewhere.sock|grpc|" + cert)
	case "dots":
		say("1|1|unix|" + dir + "/../x.sock|grpc|" + cert)
	case "no-socket":
		say("1|1|unix|" + dir + "/nothing|grpc|" + cert)
	case "link":
		_ = os.Symlink("/dev/null", filepath.Join(dir, "l"))
		say("1|1|unix|" + dir + "/l|grpc|" + cert)
	case "no-certificate":
		say("1|1|unix|" + listen(dir) + "|grpc|")
	case "net-rpc":
		say("1|1|unix|" + listen(dir) + "|netrpc|" + cert)
	case "newer":
		say("1|2|unix|" + listen(dir) + "|grpc|" + cert)
	case "endless-line":
		say(strings.Repeat("1|", 300<<10))
	case "bad-certificate":
		say("1|1|unix|" + listen(dir) + "|grpc|" + cert)
	case "deaf":
		// A socket that nobody answers on.
		say("1|1|unix|" + listen(dir) + "|grpc|" + certificate())
	case "silent":
		if mark := os.Getenv("MARK"); mark != "" {
			_ = os.WriteFile(mark, nil, 0o600)
		}
		select {}
	case "leaves":
		os.Exit(3)
	case "vendor":
		sdk.Serve(vendor{})
	case "openai":
		sdk.Serve(openai.New(openai.FromEnv(os.Getenv)))
	case "local":
		sdk.Serve(local.New())
	case "liar":
		sdk.Serve(liar{})
	case "moody":
		if _, err := os.Stat(os.Getenv("MOOD")); err == nil {
			os.Exit(4)
		}
		sdk.Serve(good{})
	}
}

// cling puts something in the place of standard input that never ends: now only
// the kernel can tell this plugin that its host is gone.
func cling() {
	var ends [2]int
	if err := syscall.Pipe(ends[:]); err != nil {
		os.Exit(1)
	}
	if err := unix.Dup2(ends[0], 0); err != nil {
		os.Exit(1)
	}
}

func say(line string) {
	fmt.Println(line)
	select {}
}

func listen(dir string) string {
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return l.Addr().String()
}

// certificate makes one that parses.
func certificate() string {
	public, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		os.Exit(1)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, private)
	if err != nil {
		os.Exit(1)
	}
	return base64.RawStdEncoding.EncodeToString(der)
}

// good does what the text says.
type good struct{}

func (good) Manifest() social.Manifest {
	return social.Manifest{
		ID: "test.good", Name: "Good", Version: "1.2.3", Auth: social.Auth{Kind: social.AuthNone},
		Formats: []social.Format{{ID: "post", Name: "Post", Text: social.TextRule{Max: 10, Count: social.Graphemes}}},
		Dedup:   social.NoDedup, Egress: []string{"api.test", "{instance}"},
	}
}

func (good) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	word, rest, _ := strings.Cut(req.Content.Text, " ")
	receipt := social.Receipt{Ref: social.Ref{ID: "1"}, Status: social.Live}
	switch word {
	case "next":
		return social.Step{Next: &social.Next{State: req.State, Commit: true}}, nil
	case "state":
		return social.Step{Next: &social.Next{State: make([]byte, social.MaxState+1)}}, nil
	case "neither":
		return social.Step{}, nil
	case "mishap":
		return social.Step{}, errors.New("no such host: " + rest)
	case "nameless":
		receipt.Ref = social.Ref{}
	case "panic":
		panic("on purpose")
	case "exit":
		os.Exit(7)
	case "once":
		// The first time, as the file tells; later it is an ordinary post.
		if f, err := os.OpenFile(rest, os.O_CREATE|os.O_EXCL, 0o600); err == nil {
			_ = f.Close()
			os.Exit(8)
		}
	case "freeze":
		_ = syscall.Kill(os.Getpid(), syscall.SIGSTOP)
		select {} // this thread may be the last to stop
	case "fault":
		status, _ := strconv.Atoi(rest)
		return social.Step{}, &social.Fault{Kind: social.Transient, Source: social.FromPlatform, Key: "good.down", HTTPStatus: status}
	case "deadline":
		until, _ := ctx.Deadline()
		receipt.Ref.ID = fmt.Sprint(until.UnixNano())
	case "wait":
		select {
		case <-time.After(2 * time.Second):
		case <-ctx.Done():
		}
	case "hang":
		<-ctx.Done()
		return social.Step{}, ctx.Err()
	case "big":
		receipt.Warnings = []string{strings.Repeat("x", 5<<20)}
	case "stdout":
		raw(1, strings.Repeat("y", 300<<10)+"\n")
	case "stderr":
		go func() {
			for {
				raw(2, strings.Repeat("z", 10<<10)+"\n")
			}
		}()
	case "print":
		fmt.Println(rest)
	case "log":
		slog.Info(rest)
	case "grandchild":
		c := exec.Command("sleep", "300")
		c.Stdout, c.Stderr = os.NewFile(1, "out"), os.NewFile(2, "err")
		if err := c.Start(); err != nil {
			return social.Step{}, err
		}
		receipt.Ref.ID = fmt.Sprint(c.Process.Pid)
	case "environment":
		receipt.Warnings = append(os.Environ(), limits()...)
		if stdin, err := os.Stdin.Stat(); err == nil {
			receipt.Warnings = append(receipt.Warnings, "stdin="+stdin.Mode().Type().String())
		}
	case "trace":
		// Nobody listens there; that the attempt was made is enough.
		if req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+rest+"/path?secret", nil); err == nil {
			if res, err := sdk.HTTPClient().Do(req); err == nil {
				_ = res.Body.Close()
			}
		}
		receipt.Ref.ID = trace.SpanContextFromContext(ctx).TraceID().String()
	case "visit":
		receipt.Ref.ID = visit(ctx, rest)
	case "stray":
		receipt.Ref.ID = visit(context.Background(), rest)
	case "garbage":
		return social.Step{}, &social.Fault{Kind: social.Policy, Key: "good.policy", Message: "\xff\xfe", Upstream: "token " + req.Call.Credential.AccessToken}
	case "plain":
		return social.Step{}, fmt.Errorf("no fault at all")
	}
	return social.Step{Receipt: &receipt}, nil
}

// visit tells the status that a host answers with.
func visit(ctx context.Context, host string) string {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+host, http.NoBody)
	if err != nil {
		return err.Error()
	}
	res, err := sdk.HTTPClient().Do(req)
	if err != nil {
		return err.Error() + ": " + sdk.Cause(err).Error()
	}
	_ = res.Body.Close()
	return res.Status
}

// limits are the hard ones that this process runs under.
func limits() []string {
	var files, core syscall.Rlimit
	_ = syscall.Getrlimit(syscall.RLIMIT_NOFILE, &files)
	_ = syscall.Getrlimit(syscall.RLIMIT_CORE, &core)
	return []string{fmt.Sprintf("files=%d", files.Max), fmt.Sprintf("core=%d", core.Max)}
}

// raw writes past what go-plugin puts in the place of os.Stdout.
func raw(fd int, s string) {
	f := os.NewFile(uintptr(fd), "raw")
	_, _ = f.WriteString(s)
}

// finder has one ability more.
type finder struct{ good }

func (finder) Manifest() social.Manifest {
	m := good{}.Manifest()
	m.ID, m.Dedup = "test.finder", social.ByFind
	return m
}

func (finder) Find(context.Context, social.FindRequest) (social.Finding, error) {
	return social.Finding{Verdict: social.Unsure, After: time.Minute}, nil
}

func (finder) Metrics(_ context.Context, req social.MetricsRequest) ([]social.Metrics, error) {
	var out []social.Metrics
	for _, r := range req.Posts {
		out = append(out, social.Metrics{Ref: r, Values: map[string]float64{"likes": 1}})
	}
	return out, nil
}

func (finder) Accounts(_ context.Context, call social.Call) ([]social.Account, error) {
	if call.Credential.AccessToken == "" {
		return nil, social.Fail(social.AuthRevoked, "finder.who", "Sign in again.")
	}
	return []social.Account{{ID: "a", Limits: &social.Limits{MaxText: 5}}}, nil
}

func (finder) Refresh(_ context.Context, call social.Call) (social.Credential, error) {
	call.Credential.AccessToken += "+"
	return call.Credential, nil
}

func (finder) Connect(_ context.Context, req social.ConnectRequest) (social.ConnectStep, error) {
	return social.ConnectStep{Done: &social.Credential{Public: req.Input}, State: req.State}, nil
}

// liar says it is someone else.
type liar struct{ good }

func (liar) Manifest() social.Manifest {
	m := good{}.Manifest()
	m.ID = "org.joinmastodon"
	return m
}

// versioned is one of several versions of the same plugin. Its states say which
// one wrote them.
type versioned struct {
	good
	version string
	shape   int
	reads   []int
	slow    time.Duration
}

// parseVersioned reads "1.0.0:SHAPE:READS[:SLOW]", as "2.0.0:1:0,1".
func parseVersioned(s string) (v versioned) {
	f := append(strings.Split(s, ":"), "", "", "")
	v.version = f[0]
	v.shape, _ = strconv.Atoi(f[1])
	for _, r := range strings.Split(f[2], ",") {
		if n, err := strconv.Atoi(r); err == nil {
			v.reads = append(v.reads, n)
		}
	}
	v.slow, _ = time.ParseDuration(f[3])
	return v
}

func (v versioned) Manifest() social.Manifest {
	m := v.good.Manifest()
	m.Version, m.StateVersion, m.ReadsState = v.version, v.shape, v.reads
	switch v.version {
	case "6.6.6":
		m.Auth = social.Auth{Kind: social.AuthOAuth2, OAuth2: &social.OAuth2{AuthorizeURL: "https://api.test/a", TokenURL: "https://api.test/t"}}
	case "6.6.7":
		m.ID = "test.other"
	}
	return m
}

// Publish answers with its version, and what the state of the step before said.
func (v versioned) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	select {
	case <-time.After(v.slow):
	case <-ctx.Done():
		return social.Step{}, ctx.Err()
	}
	if req.Content.Text == "next" {
		return social.Step{Next: &social.Next{State: []byte("of " + v.version), Commit: true}}, nil
	}
	if word, _, _ := strings.Cut(req.Content.Text, " "); word != "" && word != "now" {
		return v.good.Publish(ctx, req)
	}
	return social.Step{Receipt: &social.Receipt{Ref: social.Ref{ID: v.version + " read " + string(req.State)}, Status: social.Live}}, nil
}

// runHost is a host whose death is watched from outside.
func runHost() {
	name := "good"
	if runtime.GOOS == "linux" {
		name = "clinging"
	}
	h, err := pluginhost.New(pluginhost.Config{
		Args: asFixture, Env: []string{instantly}, Dir: os.Getenv("HOST_DIR"), Log: slog.New(slog.DiscardHandler), Timeouts: patient(),
		Sandbox: pluginhost.Sandbox{Mode: sandbox.Mode(os.Getenv("HOST_SANDBOX"))},
	}, []pluginhost.Spec{{ID: "test.good", Name: name}})
	if err == nil {
		_, err = h.Platform(context.Background(), "test.good")
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(h.Status()[0].PID)
	select {}
}

func asFixture(name string) []string { return []string{"fixture", name} }
