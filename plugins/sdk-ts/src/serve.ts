import * as grpc from "@grpc/grpc-js";
import { Console } from "node:console";
import { randomBytes } from "node:crypto";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { selfSigned } from "./certificate.js";
import { log } from "./log.js";
import { describe } from "./manifest.js";
import type { Plugin } from "./plugin.js";
import { Server, unary } from "./server.js";

/** How long a plugin that was asked to stop finishes what it has begun. */
export const DRAIN = 10_000;

/** Keeps a plugin from being run by hand, and hosts and plugins of different majors apart. It is no secret. */
const COOKIE = { key: "CARILLON_PLUGIN", value: "e2b1c0de5a3f4b7c" };
const PROTOCOL = 1;

/**
 * Runs plugin and ends the process when the host is done with it: on SIGTERM
 * once the calls in flight are answered or DRAIN has passed, and at once when
 * standard input ends, because then there is no host. A manifest that
 * describe refuses ends it with status 2.
 *
 * Logs go to standard error as JSON lines, and so does what console prints:
 * standard output belongs to the handshake.
 */
export async function serve(plugin: Plugin): Promise<void> {
  globalThis.console = new Console(process.stderr, process.stderr);
  if (process.env[COOKIE.key] !== COOKIE.value) {
    console.error("This program is a Carillon plugin. It is started by Carillon: try `carillon plugin dev` in its folder.");
    process.exit(1);
  }
  const server = start(plugin);
  process.stdin.on("end", () => process.exit(0)).on("error", () => process.exit(0)).resume();
  process.on("SIGINT", () => undefined); // meant for the host
  process.on("SIGTERM", () => leave(server));
  // One call's loose end is no reason to break everybody's.
  process.on("unhandledRejection", (error) => log.error("a promise failed unheard", { error }));
  const { credentials, der } = security(process.env["PLUGIN_CLIENT_CERT"]);
  const path = join(process.env["PLUGIN_UNIX_SOCKET_DIR"] || tmpdir(), `plugin${randomBytes(6).toString("hex")}`);
  await new Promise<void>((resolve, reject) => {
    server.grpc.bindAsync(`unix:${path}`, credentials, (error) => (error ? reject(error) : resolve()));
  });
  process.stdout.write(`1|${PROTOCOL}|unix|${path}|grpc|${der.toString("base64").replace(/=+$/, "")}\n`);
}

function start(plugin: Plugin): Server {
  try {
    const server = new Server(plugin, describe(plugin));
    // What go-plugin's hosts ask for besides: are you there, and leave.
    const SERVING = Buffer.of(0x08, 0x01);
    server.grpc.addService({ Check: unary("grpc.health.v1.Health", "Check") }, { Check: reply(SERVING) });
    server.grpc.addService({ Shutdown: unary("plugin.GRPCController", "Shutdown") }, { Shutdown: reply(Buffer.alloc(0), () => leave(server)) });
    return server;
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(2);
  }
}

function reply(bytes: Buffer, then?: () => void): grpc.handleUnaryCall<Buffer, Buffer> {
  return (_, done) => {
    done(null, bytes);
    then?.();
  };
}

/** Both sides show a certificate and trust exactly the other's. Without one from the host, neither does. */
function security(client: string | undefined): { credentials: grpc.ServerCredentials; der: Buffer } {
  if (!client) return { credentials: grpc.ServerCredentials.createInsecure(), der: Buffer.alloc(0) };
  const own = selfSigned();
  const pair = { private_key: Buffer.from(own.key), cert_chain: Buffer.from(own.certificate) };
  return { credentials: grpc.ServerCredentials.createSsl(Buffer.from(client), [pair], true), der: own.der };
}

/** How long the last answers have to reach the socket. */
const FLUSH = 250;

function leave(server: Server): void {
  const exit = (): never => process.exit(0);
  setTimeout(exit, DRAIN);
  void server.drain().then(() => {
    setTimeout(exit, FLUSH); // the host may keep its connection
    server.grpc.tryShutdown(exit);
  });
}
