import assert from "node:assert/strict";
import { once } from "node:events";
import * as http from "node:http";
import builtin from "node:http";
import { syncBuiltinESMExports } from "node:module";
import type { AddressInfo } from "node:net";
import { test, type TestContext } from "node:test";

import { commit } from "../src/commit.js";
import { Fault, faultOf } from "../src/fault.js";
import { call, env, raw } from "./fixtures.js";

async function serve(t: TestContext, handle: http.RequestListener): Promise<string> {
  const server = http.createServer(handle).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const OK = { read: true, send: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Request-Id: r1\r\n\r\n{}", end: "close" };

test("only reads follow redirects, and a token stays with its host", async (t) => {
  const there = await raw(t, OK);
  const url = await serve(t, (_, res) => res.writeHead(308, { Location: there.url }).end());
  assert.equal((await call().fetch(url, { method: "POST", json: {} })).status, 308);
  assert.equal((await call().fetch(url, { token: "secret" })).status, 200);
  assert.equal(there.lines(), 1);
  assert.doesNotMatch(there.heard[0]!, /secret/);
});

test("a fetch that fails may be repeated, and is not repeated here", async (t) => {
  const server = await raw(t, { read: true, end: "reset" });
  await assert.rejects(call().fetch(server.url), (error) => error instanceof Fault && error.kind === "transient" && error.source === "network");
  assert.equal(server.lines(), 1);
});

test("a request goes out as fetch would make it", async (t) => {
  const server = await raw(t, OK);
  const ctx = call();
  await ctx.fetch(`${server.url}/p?q=1`, { method: "PUT", token: "tok", json: { a: "é" } });
  assert.match(server.heard[0]!, /^PUT \/p\?q=1 HTTP\/1\.1\r\n/);
  assert.match(server.heard[0]!, /authorization: Bearer tok/i);
  assert.match(server.heard[0]!, /content-type: application\/json/i);
  assert.match(server.heard[0]!, /content-length: 10\r\n/i);
  const [note] = ctx.notes;
  assert.deepEqual(
    { host: note?.host, method: note?.method, path: note?.path, status: note?.status, out: note?.bytesOut, in: note?.bytesIn, id: note?.requestId },
    { host: new URL(server.url).host, method: "PUT", path: "/p", status: 200, out: 10, in: 2, id: "r1" },
  );
});

test("a body is streamed from one request into another", async (t) => {
  const bytes = Buffer.alloc(1 << 20, 7);
  const from = await serve(t, (_, res) => res.end(bytes));
  let got = 0;
  const to = await serve(t, (req, res) => req.on("data", (b: Buffer) => (got += b.length)).on("end", () => res.end()));
  const ctx = call(5000);
  const picture = await ctx.fetch(from);
  await ctx.fetch(to, { method: "POST", body: picture.body, headers: { "Content-Length": String(bytes.length) } });
  assert.equal(got, bytes.length);
});

test("the proxy is used even for loopback, and hears who asks; NO_PROXY is exact", async (t) => {
  const proxy = await raw(t, OK);
  const direct = await raw(t, { ...OK, send: "HTTP/1.1 204 No\r\n\r\n" });
  env(t, "HTTPS_PROXY", proxy.url.replace("//", "//plug:p%40ss@"));
  env(t, "NO_PROXY", `localhost,${new URL(direct.url).host}`);
  assert.equal((await call().fetch("http://127.0.0.1:1/x?y=1")).status, 200);
  assert.match(proxy.heard[0]!, /^GET http:\/\/127\.0\.0\.1:1\/x\?y=1 HTTP/);
  assert.match(proxy.heard[0]!, new RegExp(`proxy-authorization: Basic ${Buffer.from("plug:p@ss").toString("base64")}`, "i"));
  assert.equal((await call().fetch(direct.url)).status, 204);
  await commit(call(), "http://127.0.0.1:1/", { method: "POST" });
  assert.equal(proxy.lines(), 2);
});

test("calls at once each say which they are, and a commit does, too", async (t) => {
  const proxy = await raw(t, OK);
  env(t, "HTTPS_PROXY", proxy.url.replace("//", "//plug:own@"));
  const as = (name: string) => call(5000, true, proxy.url.replace("//", `//plug:${name}@`));
  await Promise.all([
    ...["a", "b"].map((name) => as(name).fetch(`http://perch.example/${name}`)),
    commit(as("c"), "http://perch.example/c", { method: "POST" }),
    call(5000).fetch("http://perch.example/own"),
  ]);
  for (const name of ["a", "b", "c", "own"]) {
    const heard = proxy.heard.find((h) => h.includes(`http://perch.example/${name} `));
    assert.match(heard ?? "", new RegExp(`proxy-authorization: Basic ${Buffer.from(`plug:${name}`).toString("base64")}`, "i"), name);
  }
});

test("a call that is not armed sends nothing, and one commits once", async (t) => {
  const server = await raw(t, OK);
  await assert.rejects(commit(call(500, false), server.url, { method: "POST" }), { kind: "permanent", key: "plugin.commit_unarmed" });
  const ctx = call();
  await commit(ctx, server.url, { method: "POST" });
  const again = await commit(ctx, server.url, { method: "POST" }).catch((error: unknown) => faultOf(error, true));
  assert.equal((again as Fault).kind, "ambiguous");
  assert.equal(server.lines(), 1);
});

test("nothing is sent after the deadline, however late this process wakes up", async (t) => {
  const server = await raw(t, { read: true, end: "stall" });
  const { request } = builtin;
  const now = Date.now;
  let slept = 0;
  t.mock.method(Date, "now", () => now() + slept);
  // It sleeps when it is connected.
  t.mock.method(builtin, "request", (...args: Parameters<typeof request>) => ((slept = 120_000), request(...args)));
  syncBuiltinESMExports();
  t.after(() => {
    t.mock.restoreAll();
    syncBuiltinESMExports();
  });
  await assert.rejects(commit(call(60_000), server.url, { method: "POST", json: {} }), { kind: "ambiguous" });
  assert.equal(slept, 120_000);
  assert.deepEqual(server.heard, []);
});
