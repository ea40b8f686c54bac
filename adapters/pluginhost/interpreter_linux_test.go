package pluginhost_test

import (
	"encoding/pem"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/carillonhq/carillon/adapters/egress"
	"github.com/carillonhq/carillon/adapters/pluginhost"
	"github.com/carillonhq/carillon/adapters/sandbox"
)

// What plugins of other languages do before they serve: threads, a child, a
// file of their own, and TLS through the proxy. What they found goes to the
// test in the environment of the program that serves for them.
var scripts = map[string]string{
	"python3": `import os, socket, ssl, subprocess, sys, tempfile, threading, urllib.request
said = []
threads = [threading.Thread(target=said.append, args=("thread",)) for _ in range(8)]
[t.start() for t in threads]; [t.join() for t in threads]
said.append(subprocess.run(["echo", "child"], capture_output=True, text=True).stdout.strip())
with tempfile.TemporaryFile() as f: f.write(b"x" * 1000)
context = ssl.create_default_context(cafile="ca.pem")
opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context))
said.append(opener.open("https://" + sys.argv[1], timeout=10).read().decode())
try: opener.open("https://localhost:1", timeout=10); said.append("reached")
except OSError as e: said.append("refused")
try: socket.socket(socket.AF_INET, socket.SOCK_DGRAM); said.append("udp")
except OSError as e: said.append("no udp")
os.execve(sys.argv[2], [sys.argv[2]], {**os.environ, "FIXTURE": "good", "SAID": ",".join(said)})
`,
	"node": `const fs = require("fs"), http = require("http"), tls = require("tls"), {spawn, execFileSync} = require("child_process"), {Worker} = require("worker_threads");
const [target, program] = process.argv.slice(2), said = [], proxy = new URL(process.env.HTTPS_PROXY);
const through = (to) => new Promise((done, failed) => http.request({host: proxy.hostname, port: proxy.port, method: "CONNECT", path: to,
  headers: {"Proxy-Authorization": "Basic " + Buffer.from(decodeURIComponent(proxy.username) + ":" + decodeURIComponent(proxy.password)).toString("base64")}})
  .on("connect", (res, socket) => res.statusCode === 200 ? done(socket) : failed(new Error(res.statusCode))).on("error", failed).end());
(async () => {
  await new Promise((done) => new Worker("require('worker_threads').parentPort.postMessage(1)", {eval: true}).on("message", () => { said.push("thread"); done(); }));
  said.push(execFileSync("echo", ["child"]).toString().trim());
  fs.writeFileSync(process.env.TMPDIR + "/own", "x");
  const t = tls.connect({socket: await through(target), host: "127.0.0.1", ca: fs.readFileSync("ca.pem")});
  t.write("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  let answer = ""; for await (const chunk of t) answer += chunk;
  said.push(answer.split("\r\n\r\n")[1]);
  said.push(await through("localhost:1").then(() => "reached", () => "refused"));
  said.push(await new Promise((done) => require("dgram").createSocket("udp4").on("error", () => done("no udp")).bind(0, () => done("udp"))));
  spawn(program, [], {stdio: "inherit", env: {...process.env, FIXTURE: "good", SAID: said.join(",")}}).on("exit", (code) => process.exit(code));
})().catch((e) => { console.error(e); process.exit(1); });
`,
}

func TestInterpretersWorkInTheSandbox(t *testing.T) {
	t.Parallel()
	platform := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("hello")) }))
	t.Cleanup(platform.Close)
	ca := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: platform.Certificate().Raw})
	proxy, err := egress.ListenProxy(egress.New(egress.Options{AllowPrivate: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}}), egress.Limits{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = proxy.Close() })
	path, _ := self(t)
	for interpreter, script := range scripts {
		t.Run(interpreter, func(t *testing.T) {
			dir := shortDir(t)
			for name, content := range map[string]string{"main": script, "ca.pem": string(ca)} {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			said := &journal{}
			h := host(t, "good", "test.good", func(c *pluginhost.Config, s *pluginhost.Spec) {
				c.Log, c.Sandbox = slog.New(slog.NewTextHandler(said, nil)), pluginhost.Sandbox{Mode: sandbox.Required, ReadOnly: []string{path}}
				c.Egress = func(id string) pluginhost.Egress { return proxy.Grant(id, []string{"127.0.0.1"}) }
				c.Timeouts.Probe = 5 * time.Second // a namespace's first process that handles no SIGTERM outlives it
				s.Binary, s.Args, s.Dir = interpreter, []string{"main", platform.Listener.Addr().String(), path}, dir
			})
			if _, err := h.Platform(t.Context(), "test.good"); err != nil {
				t.Fatalf("%v\n%s", err, said)
			}
			step, err := publish(open(t, h, "test.good"), "environment", false)
			if err != nil {
				t.Fatal(err)
			}
			found := ""
			for _, e := range step.Receipt.Warnings {
				if text, ok := strings.CutPrefix(e, "SAID="); ok {
					found = text
				}
			}
			if want := "thread,child,hello,refused,no udp"; !strings.HasSuffix(found, want) {
				t.Errorf("said %q, want %q\n%s", found, want, said)
			}
		})
	}
}
