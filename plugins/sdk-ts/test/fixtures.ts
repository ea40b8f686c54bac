import { once } from "node:events";
import * as net from "node:net";
import * as tls from "node:tls";
import type { TestContext } from "node:test";

import { selfSigned } from "../src/certificate.js";
import { Context } from "../src/context.js";

/** A call that may commit and has so long. */
export function call(ms = 500, armed = true, proxy = ""): Context {
  return new Context(AbortSignal.timeout(ms), new Date(Date.now() + ms), armed, proxy);
}

/** What a server does with each connection; `heard` is its first bytes, if it reads. */
export interface Raw {
  read?: boolean;
  send?: string;
  fill?: number;
  end?: string;
}

/** Serves each connection by hand and counts them. */
export async function raw(t: TestContext, does: Raw): Promise<{ url: string; heard: string[]; lines: () => number }> {
  const heard: string[] = [];
  const open = new Set<net.Socket>();
  let lines = 0;
  const server = net.createServer((socket) => {
    lines++;
    open.add(socket);
    socket.on("error", () => undefined).on("close", () => open.delete(socket));
    const act = (): void => answer(socket, does);
    if (does.read) socket.once("data", (b) => (heard.push(String(b)), act()));
    else act();
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => {
    open.forEach((s) => s.destroy());
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`, heard, lines: () => lines };
}

function answer(socket: net.Socket, { send = "", fill = 0, end }: Raw): void {
  const text = send + "x".repeat(fill);
  if (end === "close") socket.end(text);
  else if (end === "reset") text ? socket.write(text, () => socket.resetAndDestroy()) : socket.resetAndDestroy();
  else socket.resume().write(text);
}

/** An address on which nobody listens. */
export async function closedPort(): Promise<string> {
  const server = net.createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, "close");
  return `http://127.0.0.1:${port}`;
}

/** A server with a certificate that nobody trusts. */
export async function untrusted(t: TestContext): Promise<string> {
  const { key, certificate } = selfSigned();
  const server = tls.createServer({ key, cert: certificate }).on("tlsClientError", () => undefined).listen(0, "127.0.0.1");
  await once(server, "listening");
  t.after(() => server.close());
  return `https://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

/** Sets an environment variable for one test. */
export function env(t: TestContext, name: string, value: string): void {
  const before = process.env[name];
  process.env[name] = value;
  t.after(() => {
    if (before === undefined) delete process.env[name];
    else process.env[name] = before;
  });
}
