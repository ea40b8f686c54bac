import type { Context } from "./context.js";
import { Fault } from "./fault.js";
import { Lost, outgoing, send, type Init } from "./http.js";

/** Bounds an irreversible request. A manifest's settle must be longer than it. */
export const COMMIT_TIMEOUT = 30_000;

/** The most that commit reads of an answer, in bytes. */
export const MAX_ANSWER = 4 << 20;

/**
 * Makes the irreversible request of a commit step: once, on a fresh
 * connection, with no redirect and no retry beneath it, for at most
 * COMMIT_TIMEOUT and not past the call's deadline, even if this process was
 * suspended meanwhile. It returns the answer whatever its status, read in
 * full; judge it, with `refusal` for what is not a success.
 *
 * It throws a Fault from the network: transient if no connection came about,
 * so that the platform cannot have seen the request, and ambiguous from the
 * moment there was one. In a call that the host did not arm it sends nothing,
 * and neither does a second commit in one call.
 */
export async function commit(ctx: Context, url: string | URL, init: Init = {}): Promise<Response> {
  if (!ctx.armed) {
    throw new Fault("permanent", "plugin.commit_unarmed", "The plugin wanted to publish before its turn.", { source: "plugin" });
  }
  if (++ctx.commits > 1) throw new Error("a call commits once");
  const until = Math.min(Date.now() + COMMIT_TIMEOUT, ctx.deadline.getTime());
  try {
    if (ctx.signal.aborted || Date.now() >= until) throw new Lost(new Error("the call is over"), false);
    const signal = AbortSignal.any([ctx.signal, AbortSignal.timeout(until - Date.now())]);
    const out = await outgoing(url, init).catch((error: unknown) => {
      throw new Lost(error, false);
    });
    if (out.body instanceof ReadableStream) throw new Lost(new Error("a commit's body is no stream"), false);
    const response = await read(await send(ctx, out, signal, until), signal);
    if (stopped(out.url, response)) throw new Lost(new Error(response.headers.get("proxy-status") ?? ""), false);
    return response;
  } catch (error) {
    throw lost(error);
  }
}

/** Reads the body, so that an answer cut short is a failure of the request and not of whoever parses it. */
async function read(response: Response, signal: AbortSignal): Promise<Response> {
  if (!response.body) return response;
  const parts: Uint8Array[] = [];
  let size = 0;
  for await (const part of response.body as unknown as AsyncIterable<Uint8Array>) {
    signal.throwIfAborted();
    size += part.byteLength;
    if (size > MAX_ANSWER) throw new Error("the answer is over the limit");
    parts.push(part);
  }
  return new Response(Buffer.concat(parts), { status: response.status, headers: response.headers });
}

/** The reasons of the egress proxy for which a request did not leave it (RFC 9209). */
const NOT_SENT = ["http_request_denied", "destination_ip_prohibited", "destination_unavailable", "connection_limit_reached"];

/**
 * Whether response is the egress proxy's own word that it sent nothing. Only a
 * plain request passes through it in the open, and the proxy removes that
 * header from what others answer.
 */
function stopped(url: URL, response: Response): boolean {
  const said = response.headers.get("proxy-status") ?? "";
  const prefix = "carillon; error=";
  return url.protocol === "http:" && !!process.env["HTTPS_PROXY"] && said.startsWith(prefix) && NOT_SENT.includes(said.slice(prefix.length));
}

function lost(error: unknown): Fault {
  const connected = !(error instanceof Lost) || error.connected;
  const cause = error instanceof Lost ? error.reason : error;
  return connected
    ? new Fault("ambiguous", "network.lost", "The platform's answer was lost.", { source: "network", cause })
    : new Fault("transient", "network.unreachable", "The platform could not be reached.", { source: "network", cause });
}
