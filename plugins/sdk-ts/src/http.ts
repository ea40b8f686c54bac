import * as http from "node:http";
import { Readable } from "node:stream";
import type { ReadableStream as WebStream } from "node:stream/web";

import type { Context } from "./context.js";
import { dial, type Line } from "./dial.js";
import { Fault } from "./fault.js";

/** What may be said of a request: all that fetch takes, and three short forms. */
export interface Init extends RequestInit {
  /** Sent as a bearer token. */
  token?: string;
  /** Sent as the JSON body. */
  json?: unknown;
  /** Sent as a form body. */
  form?: Record<string, string>;
  /** The path under which the request is noted, for platforms that want a secret of their own in theirs. What the call lent is struck anyway. */
  notedAs?: string;
}

/** A request as it goes out. */
export interface Outgoing {
  url: URL;
  method: string;
  headers: Record<string, string>;
  body?: Uint8Array | WebStream<Uint8Array>;
  notedAs?: string;
}

/** How far a request got when it failed. */
export class Lost extends Error {
  constructor(
    readonly reason: unknown,
    readonly connected: boolean,
  ) {
    super(reason instanceof Error ? reason.message : String(reason));
  }
}

const HEADER_TIMEOUT = 30_000;
const MAX_REDIRECTS = 5;
const MAX_HEADERS = 64 << 10;

/** Makes one request that may be repeated without harm, for Context.fetch. */
export async function request(ctx: Context, url: string | URL, init: Init): Promise<Response> {
  try {
    return await follow(ctx, await outgoing(url, init), AbortSignal.any([ctx.signal, ...(init.signal ? [init.signal] : [])]));
  } catch (error) {
    throw new Fault("transient", "network.unreachable", "The platform could not be reached.", { source: "network", cause: error });
  }
}

async function follow(ctx: Context, out: Outgoing, signal: AbortSignal): Promise<Response> {
  for (let left = MAX_REDIRECTS; ; left--) {
    const response = await send(ctx, out, signal);
    const to = response.headers.get("location");
    const read = out.method === "GET" || out.method === "HEAD";
    // 307 and 308 would send a body a second time.
    if (!read || left === 0 || to === null || ![301, 302, 303, 307, 308].includes(response.status)) return response;
    await response.body?.cancel();
    const url = new URL(to, out.url);
    const headers = { ...out.headers };
    if (url.origin !== out.url.origin) delete headers["authorization"];
    out = { ...out, url, headers };
  }
}

/** Turns what fetch takes into what goes out; the platform's Request encodes forms and files. */
export async function outgoing(url: string | URL, init: Init): Promise<Outgoing> {
  const { token, json, form, notedAs, signal: _, ...rest } = init;
  const whole: RequestInit & { duplex?: "half" } = { ...rest, duplex: "half" };
  const headers = new Headers(init.headers);
  if (token) headers.set("Authorization", `Bearer ${token}`);
  if (!headers.has("Accept")) headers.set("Accept", "application/json");
  if (json !== undefined) {
    whole.body = JSON.stringify(json);
    headers.set("Content-Type", "application/json");
  } else if (form) {
    whole.body = new URLSearchParams(form);
  }
  const made = new Request(url, { ...whole, headers });
  const streamed = whole.body instanceof ReadableStream;
  return {
    url: new URL(made.url),
    notedAs,
    method: made.method,
    headers: Object.fromEntries(made.headers),
    body: streamed ? (made.body as WebStream<Uint8Array>) : made.body ? new Uint8Array(await made.arrayBuffer()) : undefined,
  };
}

/** Sends out on a connection of its own and returns when the answer's headers are there. It throws Lost. */
export async function send(ctx: Context, out: Outgoing, signal: AbortSignal, until = Infinity): Promise<Response> {
  const startedAt = new Date();
  let answer: http.IncomingMessage | undefined;
  try {
    const line = await dial(out.url, signal, ctx.proxy).catch((error: unknown) => {
      throw new Lost(error, false);
    });
    answer = await exchange(line, out, signal, until).catch((error: unknown) => {
      line.socket.destroy();
      throw new Lost(error, true);
    });
    return respond(answer, out.method);
  } finally {
    ctx.note({
      host: out.url.host,
      method: out.method,
      path: out.notedAs ?? out.url.pathname,
      status: answer?.statusCode ?? 0,
      startedAt,
      took: Date.now() - startedAt.getTime(),
      bytesOut: out.body instanceof Uint8Array ? out.body.byteLength : 0,
      bytesIn: Number(answer?.headers["content-length"] ?? 0) || 0,
      requestId: String(answer?.headers["x-request-id"] ?? ""),
    });
  }
}

/** Writes one request and waits for the answer's headers. Nothing is written after until. */
function exchange(line: Line, out: Outgoing, signal: AbortSignal, until: number): Promise<http.IncomingMessage> {
  return new Promise((resolve, reject) => {
    timely(line, until);
    const length = out.body instanceof Uint8Array ? { "Content-Length": String(out.body.byteLength) } : {};
    const req = http.request({
      method: out.method,
      path: line.absolute ? out.url.href.replace(/#.*/, "") : out.url.pathname + out.url.search,
      headers: { Host: out.url.host, ...out.headers, ...line.headers, ...length },
      createConnection: () => line.socket,
      maxHeaderSize: MAX_HEADERS,
      signal,
    });
    const timer = setTimeout(() => req.destroy(new Error("no answer in time")), HEADER_TIMEOUT);
    req.once("close", () => clearTimeout(timer));
    req.on("error", reject);
    req.once("response", (answer) => {
      clearTimeout(timer);
      resolve(answer);
    });
    if (out.body instanceof ReadableStream) Readable.fromWeb(out.body).on("error", (e) => req.destroy(e)).pipe(req);
    else req.end(out.body);
  });
}

/** A process that was suspended must not send when it wakes up: its host has given the call up. */
function timely(line: Line, until: number): void {
  const { socket } = line;
  const write = socket.write.bind(socket) as (...args: unknown[]) => boolean;
  socket.write = ((...args: unknown[]): boolean => {
    if (Date.now() < until) return write(...args);
    socket.destroy(new Error("the call is over"));
    return false;
  }) as typeof socket.write;
}

function respond(answer: http.IncomingMessage, method: string): Response {
  const headers = new Headers();
  for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) headers.append(answer.rawHeaders[i]!, answer.rawHeaders[i + 1]!);
  const status = answer.statusCode ?? 0;
  if (method === "HEAD" || status === 204 || status === 205 || status === 304) {
    answer.resume();
    return new Response(null, { status, headers });
  }
  return new Response(Readable.toWeb(answer) as ReadableStream, { status, headers });
}
