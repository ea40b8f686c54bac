import type { Context } from "./context.js";
import type {
  Account,
  Call,
  ConnectRequest,
  ConnectStep,
  Credential,
  Finding,
  FindRequest,
  Json,
  Manifest,
  MetricSet,
  MetricsRequest,
  Next,
  PublishRequest,
  Receipt,
  Ref,
  Step,
} from "./types.js";

/**
 * What a plugin can do. Its capabilities are read off which methods are there.
 * A plugin is stateless: all it may know of an account arrives in the request.
 */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- a host does not know a plugin's state
export interface Plugin<State = any> {
  manifest: Manifest;
  /**
   * Takes one step. Without req.commit it may be repeated at any time with the
   * same state, so it must have no effect that a second call could double.
   * Before the irreversible request it answers `next({ commit: true })`; the
   * host records that durably and calls again with req.commit. In that step
   * the plugin makes exactly one request, with `commit`.
   */
  publish(req: PublishRequest<State>, ctx: Context): Promise<Step<State>>;
  /** Tells whether a commit happened. It has no effect. */
  find?(req: FindRequest<State>, ctx: Context): Promise<Finding>;
  /** Answers for each post it knows and leaves out the others. */
  metrics?(req: MetricsRequest, ctx: Context): Promise<MetricSet[]>;
  /** Turns a credential into the accounts it can post to. */
  accounts?(call: Call, ctx: Context): Promise<Account[]>;
  /** Runs one screen of a sign-in that is not plain OAuth 2. */
  connect?(req: ConnectRequest, ctx: Context): Promise<ConnectStep>;
  /** Renews a credential where the platform's way is not OAuth 2's. */
  refresh?(call: Call, ctx: Context): Promise<Credential>;
}

/** Checks a plugin's type where it is written, and infers that of its state. */
export function definePlugin<State extends Json = Json>(plugin: Plugin<State>): Plugin<State> {
  return plugin;
}

/** Asks for another call: `return next({ state, commit: true })`. */
export function next<State = unknown>(step: Next<State>): Step<State> {
  return { next: step };
}

/** Says that the object is there: `return receipt({ id, url })`. */
export function receipt(ref: Ref, more: Partial<Omit<Receipt, "ref">> = {}): Step<never> {
  return { receipt: { status: "live", ...more, ref } };
}
