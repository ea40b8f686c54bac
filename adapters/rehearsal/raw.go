package rehearsal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/carillonhq/carillon/adapters/pluginhost"
	pb "github.com/carillonhq/carillon/plugins/proto/pluginv1"
	"github.com/carillonhq/carillon/plugins/sdk"
	"github.com/carillonhq/carillon/plugins/sdk/wire"
	"github.com/carillonhq/carillon/ports/social"
)

// Raw is the plugin's process without a host in between: it is confined as under
// one, what it says has been redacted by nobody, and its pipes are ours to close.
type Raw struct {
	Line string // the handshake

	bare   *pluginhost.Bare
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	out    *tail
	proxy  *Proxy
	conn   *grpc.ClientConn
	plugin pb.PluginServiceClient
	social pb.SocialServiceClient
	done   chan struct{}
}

// Spawn starts the plugin's process and connects to it, by mutual TLS as a
// host does.
func (s *Stage) Spawn(ctx context.Context) (*Raw, error) {
	dir, err := os.MkdirTemp(s.dir, "r")
	if err != nil {
		return nil, err
	}
	own, err := newIdentity()
	if err != nil {
		return nil, err
	}
	r := &Raw{out: &tail{}, proxy: s.Proxy, done: make(chan struct{})}
	line, err := r.start(s, dir, own.pem)
	if err != nil {
		return nil, err
	}
	select {
	case r.Line = <-line:
	case <-r.done:
	case <-time.After(s.patience()):
	case <-ctx.Done():
	}
	if err := r.connect(dir, own); err != nil {
		defer r.Kill()
		return nil, errors.Join(err, r.Complaint())
	}
	return r, nil
}

func (r *Raw) start(s *Stage, dir string, cert []byte) (<-chan string, error) {
	var err error
	r.bare, err = pluginhost.Outside(s.config(), s.spec(), s.Proxy.credentials(), dir,
		sdk.Handshake.MagicCookieKey+"="+sdk.Handshake.MagicCookieValue, "PLUGIN_PROTOCOL_VERSIONS=1",
		"PLUGIN_CLIENT_CERT="+string(cert), "PLUGIN_UNIX_SOCKET_DIR="+dir)
	if err != nil {
		return nil, err
	}
	r.cmd = r.bare.Cmd
	r.cmd.WaitDelay, r.cmd.Stderr = time.Second, r.out
	if r.stdin, err = r.cmd.StdinPipe(); err != nil {
		r.bare.Close()
		return nil, err
	}
	read, write := io.Pipe()
	r.cmd.Stdout = write
	if err := r.bare.Start(r.end); err != nil {
		return nil, err
	}
	line := make(chan string, 1)
	go func() {
		in := bufio.NewReaderSize(read, 8<<10)
		text, _, _ := in.ReadLine()
		line <- string(text)
		_, _ = io.Copy(r.out, in)
	}()
	go func() { _ = r.cmd.Wait(); r.bare.Close(); _ = write.Close(); close(r.done) }()
	return line, nil
}

// connect checks the handshake and dials the socket that it names.
func (r *Raw) connect(dir string, own *identity) error {
	part := strings.Split(r.Line, "|")
	switch {
	case r.Line == "":
		return errors.New("the plugin printed no handshake line")
	case len(part) < 6 || part[0] != "1" || part[1] != "1" || part[2] != "unix" || part[4] != "grpc":
		return fmt.Errorf("the handshake is %.200q, not 1|1|unix|<socket>|grpc|<certificate>", r.Line)
	case filepath.Dir(filepath.Clean(part[3])) != dir:
		return fmt.Errorf("the socket %q is not in $PLUGIN_UNIX_SOCKET_DIR", part[3])
	}
	config, err := own.trust(part[5])
	if err != nil {
		return fmt.Errorf("the handshake's certificate: %w", err)
	}
	r.conn, err = grpc.NewClient("unix:"+r.bare.At(part[3]), grpc.WithTransportCredentials(credentials.NewTLS(config)), grpc.WithDisableRetry(),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(wire.MaxMessage), grpc.MaxCallSendMsgSize(wire.MaxMessage)))
	if err != nil {
		return err
	}
	r.plugin, r.social = pb.NewPluginServiceClient(r.conn), pb.NewSocialServiceClient(r.conn)
	go r.relay()
	return nil
}

// relay reads what a Go plugin prints: go-plugin takes over its streams and
// sends them by a service of its own, which other languages need not have.
func (r *Raw) relay() {
	stream, err := r.conn.NewStream(context.Background(), &grpc.StreamDesc{ServerStreams: true}, "/plugin.GRPCStdio/StreamStdio")
	if err != nil || stream.SendMsg(&emptypb.Empty{}) != nil || stream.CloseSend() != nil {
		return
	}
	for {
		var in emptypb.Empty // its fields are read as unknown ones
		if stream.RecvMsg(&in) != nil {
			return
		}
		_, _ = r.out.Write(dataOf(in.ProtoReflect().GetUnknown()))
	}
}

// dataOf is field 2 of go-plugin's StdioData.
func dataOf(b []byte) []byte {
	for len(b) > 0 {
		num, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		if b = b[n:]; num == 2 && kind == protowire.BytesType {
			data, _ := protowire.ConsumeBytes(b)
			return data
		}
		if n = protowire.ConsumeFieldValue(num, kind, b); n < 0 {
			return nil
		}
		b = b[n:]
	}
	return nil
}

// Describe asks for the manifest.
func (r *Raw) Describe(ctx context.Context) (social.Manifest, error) {
	res, err := r.plugin.Describe(ctx, &pb.DescribeRequest{})
	if err != nil {
		return social.Manifest{}, err
	}
	return wire.ToManifest(res.GetManifest()), nil
}

// Publish takes one step, without anything that the host does about it.
func (r *Raw) Publish(ctx context.Context, req social.PublishRequest) (social.Step, error) {
	in, err := wire.FromPublish(req)
	if err != nil {
		return social.Step{}, err
	}
	method := "publish"
	if req.Commit {
		method = "commit"
	}
	ctx, end := r.led(ctx, method, req.Call, req.Account.ID)
	defer end()
	res, err := r.social.Publish(ctx, in)
	if err != nil {
		return social.Step{}, err
	}
	if f := wire.ToFault(res.GetFault()); f != nil {
		return social.Step{}, f
	}
	return wire.ToStep(res), nil
}

// Find looks for an object.
func (r *Raw) Find(ctx context.Context, req social.FindRequest) (social.Finding, error) {
	in, err := wire.FromFind(req)
	if err != nil {
		return social.Finding{}, err
	}
	ctx, end := r.led(ctx, "find", req.Call, req.Account.ID)
	defer end()
	res, err := r.social.Find(ctx, in)
	if err != nil {
		return social.Finding{}, err
	}
	if f := wire.ToFault(res.GetFault()); f != nil {
		return social.Finding{}, f
	}
	return wire.ToFinding(res), nil
}

// Output is what the process has printed, besides the handshake.
func (r *Raw) Output() string { return r.out.String() }

// Complaint is the output as an error, nil if there is none.
func (r *Raw) Complaint() error {
	if said := r.Output(); said != "" {
		return fmt.Errorf("it printed: %s", said[max(0, len(said)-2000):])
	}
	return nil
}

// CloseInput ends the lifeline, as the death of a host does.
func (r *Raw) CloseInput() { _ = r.stdin.Close() }

// Terminate asks the process to finish and leave.
func (r *Raw) Terminate() { _ = r.cmd.Process.Signal(syscall.SIGTERM) }

// Left waits until the process has ended, at most for limit, and reports
// whether it has.
func (r *Raw) Left(limit time.Duration) bool {
	select {
	case <-r.done:
		return true
	case <-time.After(limit):
		return false
	}
}

// end ends a process that could not be confined or uses too much.
func (r *Raw) end(why error) {
	_, _ = fmt.Fprintln(r.out, why)
	r.kill()
}

func (r *Raw) kill() {
	select {
	case <-r.done: // its number may be another's by now
	default:
		_ = syscall.Kill(-r.cmd.Process.Pid, syscall.SIGKILL)
	}
}

// Kill ends the process and all that it started.
func (r *Raw) Kill() {
	r.kill()
	<-r.done
	if r.conn != nil {
		_ = r.conn.Close()
	}
}
