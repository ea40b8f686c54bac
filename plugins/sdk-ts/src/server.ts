import * as grpc from "@grpc/grpc-js";
import type { DescMessage, DescMethod, DescService } from "@bufbuild/protobuf";

import { Context } from "./context.js";
import { Fault, faultOf } from "./fault.js";
import { PluginService } from "./gen/carillon/plugin/v1/plugin_pb.js";
import { SocialService } from "./gen/carillon/plugin/v1/social_pb.js";
import { log } from "./log.js";
import type { Plugin } from "./plugin.js";
import { discreet, striker } from "./secrets.js";
import type * as t from "./types.js";
import { decode, encode, MAX_MESSAGE } from "./wire.js";

/** Metadata with the instant at which the host gives a call up, in Unix nanoseconds. */
export const DEADLINE_KEY = "carillon-deadline";

/** Metadata with the proxy for the requests of one call: the host wants to know on whose behalf it is asked. */
export const PROXY_KEY = "carillon-proxy";

type Answer = Record<string, unknown>;

/** One method of the wire: what it asks of the plugin. Undefined: the plugin has no such method. */
interface Method {
  desc: DescMethod;
  run?: (req: never, ctx: Context) => Promise<Answer>;
}

/** Answers the wire with a plugin. */
export class Server {
  readonly grpc = new grpc.Server({
    "grpc.max_receive_message_length": MAX_MESSAGE,
    "grpc.max_send_message_length": MAX_MESSAGE,
  });
  private inFlight = 0;
  private draining?: () => void;

  constructor(
    plugin: Plugin,
    private readonly manifest: t.Manifest,
  ) {
    const m = PluginService.method;
    const s = SocialService.method;
    const one = <Req>(desc: DescMethod, run?: (req: Req, ctx: Context) => Promise<Answer>): Method => ({ desc, run });
    this.add(PluginService, [
      one(m.describe, () => Promise.resolve({ manifest: { ...manifest, social: manifest } })),
      one(m.connect, plugin.connect && (async (req: t.ConnectRequest, ctx) => ({ ...(await plugin.connect!(req, ctx)) }))),
      one(m.accounts, plugin.accounts && (async (req: { call: t.Call }, ctx) => ({ accounts: await plugin.accounts!(req.call, ctx) }))),
      one(m.refresh, plugin.refresh && (async (req: { call: t.Call }, ctx) => ({ credential: await plugin.refresh!(req.call, ctx) }))),
    ]);
    this.add(SocialService, [
      one(s.publish, async (req: t.PublishRequest, ctx) => outcome(await plugin.publish(req, ctx))),
      one(s.find, plugin.find && (async (req: t.FindRequest, ctx) => ({ ...(await plugin.find!(req, ctx)) }))),
      one(s.metrics, plugin.metrics && (async (req: t.MetricsRequest, ctx) => ({ sets: await plugin.metrics!(req, ctx) }))),
    ]);
  }

  /** Resolves once the calls in flight are answered. One that comes later is not begun. */
  drain(): Promise<void> {
    return new Promise((resolve) => {
      this.draining = resolve;
      if (this.inFlight === 0) resolve();
    });
  }

  private add(service: DescService, methods: Method[]): void {
    const definition: Record<string, grpc.MethodDefinition<Buffer, Buffer>> = {};
    const handlers: grpc.UntypedServiceImplementation = {};
    for (const { desc, run } of methods) {
      definition[desc.name] = unary(service.typeName, desc.name);
      handlers[desc.name] = this.handler(desc, run);
    }
    this.grpc.addService(definition, handlers);
  }

  private handler(desc: DescMethod, run: Method["run"]): grpc.handleUnaryCall<Buffer, Buffer> {
    return (call, done) => {
      if (!run) return done({ code: grpc.status.UNIMPLEMENTED, details: `this plugin has no ${desc.name}` });
      if (this.draining) return done({ code: grpc.status.UNAVAILABLE, details: "the plugin is leaving" });
      this.inFlight++;
      answer(desc, run, call, this.manifest)
        .then((bytes) => done(null, Buffer.from(bytes)))
        .catch((error: unknown) => {
          log.error("a call broke", { method: desc.name, error });
          done({ code: grpc.status.INTERNAL, details: `${desc.name} broke` });
        })
        .finally(() => {
          if (--this.inFlight === 0) this.draining?.();
        });
    };
  }
}

/** A method whose messages pass as bytes. */
export function unary(service: string, method: string): grpc.MethodDefinition<Buffer, Buffer> {
  const same = (b: Buffer): Buffer => b;
  return {
    path: `/${service}/${method}`,
    requestStream: false,
    responseStream: false,
    requestSerialize: same,
    requestDeserialize: same,
    responseSerialize: same,
    responseDeserialize: same,
  };
}

type Unary = grpc.ServerUnaryCall<Buffer, Buffer>;

async function answer(desc: DescMethod, run: NonNullable<Method["run"]>, call: Unary, manifest: t.Manifest): Promise<Uint8Array> {
  let req: { call?: t.Call; commit?: boolean };
  try {
    req = decode(desc.input, call.request);
  } catch (cause) {
    return faulty(desc.output, new Fault("invalid", "plugin.request_malformed", "The plugin could not read the request.", { source: "plugin", cause }), [], String);
  }
  const strike = striker(manifest, req.call);
  const until = deadline(call);
  const ended = new AbortController();
  call.on("cancelled", () => ended.abort(new Error("the host gave the call up")));
  const timer = setTimeout(() => ended.abort(new Error("the call is over")), Math.min(until - Date.now(), 2 ** 31 - 1));
  const ctx = new Context(ended.signal, new Date(until), req.commit === true, String(call.metadata.get(PROXY_KEY)[0] ?? ""));
  try {
    return encode(desc.output, { ...(await run(req as never, ctx)), notes: { calls: ctx.notes.map((n) => discreet(n, strike)) } });
  } catch (error) {
    if (!(error instanceof Fault)) log.error("the plugin failed", { method: desc.name, error: strike(String((error as Error)?.stack ?? error)) });
    return faulty(desc.output, faultOf(error, req.commit === true), ctx.notes, strike);
  } finally {
    clearTimeout(timer);
  }
}

/** The earlier of what gRPC and the host's metadata say, in Unix milliseconds. */
function deadline(call: Unary): number {
  const own = call.getDeadline();
  const said = call.metadata.get(DEADLINE_KEY)[0];
  const nanos = said === undefined ? NaN : Number(said);
  return Math.min(own instanceof Date ? own.getTime() : own, Number.isNaN(nanos) ? Infinity : nanos / 1e6, 8.64e15);
}

/** A step that names none or both outcomes stays without one: it proves nothing. */
function outcome(step: t.Step): Answer {
  const { next, receipt } = step as { next?: t.Next; receipt?: t.Receipt };
  return next && receipt ? {} : { next, receipt };
}

/** A fault as it crosses, without what was lent for the call. */
function faulty(desc: DescMessage, f: Fault, notes: Context["notes"], strike: (text: string) => string): Uint8Array {
  const text = (s: string | undefined): string => strike(s ?? "");
  const cause = f.cause instanceof Error ? `${f.cause.name}: ${f.cause.message}` : f.cause;
  return encode(desc, {
    fault: {
      kind: f.kind,
      source: f.source,
      key: f.key,
      message: text(f.message),
      violations: f.violations?.map((v) => ({ ...v, message: text(v.message) })),
      retryAfter: f.retryAfter || undefined,
      scope: f.scope,
      missing: f.missing,
      httpStatus: f.httpStatus,
      upstream: text(f.upstream),
      cause: cause === undefined ? undefined : text(String(cause)),
    },
    notes: { calls: notes.map((n) => discreet(n, strike)) },
  });
}
