import * as http from "node:http";
import * as net from "node:net";
import * as tls from "node:tls";

import { hostPort, nameOf, portOf, proxyFor, proxyHeaders } from "./proxy.js";

/** A connection that is ready for one request. */
export interface Line {
  socket: net.Socket;
  /** Whether a plain proxy reads the request, which then names the whole URL. */
  absolute: boolean;
  headers: Record<string, string>;
}

const DIAL_TIMEOUT = 10_000;

/**
 * Opens a fresh connection to where url points: TCP, the tunnel of the call's
 * own proxy or the environment's if there is one, and TLS. If it throws,
 * nothing of a request was sent.
 */
export async function dial(url: URL, signal: AbortSignal, own = ""): Promise<Line> {
  const limit = AbortSignal.any([signal, AbortSignal.timeout(DIAL_TIMEOUT)]);
  const proxy = proxyFor(url, own);
  const socket = await connect(proxy ?? url, limit);
  try {
    if (url.protocol === "http:") {
      return { socket, absolute: proxy !== undefined, headers: proxy ? proxyHeaders(proxy) : {} };
    }
    if (url.protocol !== "https:") throw new Error(`cannot speak ${url.protocol}`);
    const raw = proxy ? await tunnel(socket, url, proxy, limit) : socket;
    return { socket: await secure(raw, url, limit), absolute: false, headers: {} };
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

function connect(to: URL, signal: AbortSignal): Promise<net.Socket> {
  const socket = net.connect({ host: nameOf(to), port: portOf(to), noDelay: true });
  return ready(socket, "connect", signal);
}

function secure(socket: net.Socket, to: URL, signal: AbortSignal): Promise<net.Socket> {
  const name = nameOf(to);
  const over = tls.connect({ socket, host: name, ALPNProtocols: ["http/1.1"], ...(net.isIP(name) ? {} : { servername: name }) });
  return ready(over, "secureConnect", signal);
}

/** Waits for a socket's event, its failure or the signal. */
function ready<S extends net.Socket>(socket: S, event: string, signal: AbortSignal): Promise<S> {
  return new Promise((resolve, reject) => {
    const fail = (error: unknown): void => {
      settle();
      socket.destroy();
      socket.on("error", () => undefined);
      reject(error);
    };
    const closed = (): void => fail(new Error("the connection was closed"));
    const aborted = (): void => fail(signal.reason);
    const done = (): void => {
      settle();
      resolve(socket);
    };
    const settle = (): void => {
      socket.off(event, done).off("error", fail).off("close", closed);
      signal.removeEventListener("abort", aborted);
    };
    socket.once(event, done).once("error", fail).once("close", closed);
    signal.addEventListener("abort", aborted);
    if (signal.aborted) aborted();
  });
}

/** Asks an HTTP proxy for a way through. */
function tunnel(socket: net.Socket, to: URL, proxy: URL, signal: AbortSignal): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const target = hostPort(to);
    const ask = http.request({
      method: "CONNECT",
      path: target,
      headers: { Host: target, ...proxyHeaders(proxy) },
      createConnection: () => socket,
      signal,
    });
    ask.once("error", reject);
    ask.once("response", (answer) => reject(denied(to, answer)));
    ask.once("connect", (answer) => {
      if (answer.statusCode === 200) resolve(socket);
      else reject(denied(to, answer));
    });
    ask.end();
  });
}

/** The proxy's refusal in the author's words. */
function denied(to: URL, answer: http.IncomingMessage): Error {
  const why = answer.headers["proxy-status"];
  if (answer.statusCode === 407) return new Error(`the request to ${to.host} was made outside of its call, or after it: use the call's own context`);
  if (why === "carillon; error=http_request_denied") return new Error(`${to.host} is not in the plugin's manifest: egress does not list it`);
  return new Error(`the proxy answered ${answer.statusCode} for ${to.host}${why ? `: ${String(why)}` : ""}`);
}
