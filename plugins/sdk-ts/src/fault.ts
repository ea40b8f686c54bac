import type { QuotaScope } from "./types.js";

/** What a failure means. It decides whether a commit may be sent again: when in doubt, "ambiguous". */
export type Kind =
  | "auth_expired" // refused; the host refreshes once, then repeats the step
  | "auth_revoked" // refused; a person must reconnect
  | "permission" // refused; a scope, role or review is missing
  | "rate_limited" // refused; wait, and it was no attempt
  | "invalid" // refused; the platform will never take it
  | "policy" // refused; the account is restricted
  | "duplicate" // refused because it is already there
  | "not_found" // refused; what it refers to is gone
  | "unsupported" // refused; the plugin cannot do this
  | "transient" // provably not applied; safe to repeat
  | "permanent" // refused, and repeating does not help
  | "ambiguous"; // may have been applied; never repeated blindly

export type Source = "platform" | "network" | "plugin";

/** One input that breaks one rule. */
export interface Violation {
  /** JSON Pointer, "/content/text". */
  field: string;
  reason: string;
  message: string;
  limit?: number;
  actual?: number;
  warning?: boolean;
}

/** What may be said of a failure besides its kind, key and message. */
export interface FaultDetail {
  source?: Source;
  violations?: Violation[];
  /** Milliseconds. */
  retryAfter?: number;
  /** Whose limit, with "rate_limited". */
  scope?: QuotaScope;
  /** Scopes or roles, with "permission". */
  missing?: string[];
  httpStatus?: number;
  /** What the platform said; the SDK cuts it to 2 KiB and strikes the call's secrets out. */
  upstream?: string;
  /** For the host's log only. */
  cause?: unknown;
}

/** A failure at a platform. Throw it; anything else thrown counts as a broken plugin. */
export class Fault extends Error implements FaultDetail {
  override readonly name = "Fault";
  readonly source: Source;
  readonly violations?: Violation[];
  readonly retryAfter?: number;
  readonly scope?: QuotaScope;
  readonly missing?: string[];
  readonly httpStatus?: number;
  readonly upstream?: string;

  constructor(
    readonly kind: Kind,
    readonly key: string,
    message: string,
    detail: FaultDetail = {},
  ) {
    super(message, detail.cause === undefined ? undefined : { cause: detail.cause });
    this.source = detail.source ?? "platform";
    this.violations = detail.violations;
    this.retryAfter = detail.retryAfter;
    this.scope = detail.scope;
    this.missing = detail.missing;
    this.httpStatus = detail.httpStatus;
    this.upstream = detail.upstream;
  }
}

const make =
  (kind: Kind) =>
  (key: string, message: string, detail?: FaultDetail): Fault =>
    new Fault(kind, key, message, detail);

/** `throw fault.permission("chirp.no_scope", "Chirp wants the right to post.")` */
export const fault = {
  authExpired: make("auth_expired"),
  authRevoked: make("auth_revoked"),
  permission: make("permission"),
  rateLimited: make("rate_limited"),
  invalid: make("invalid"),
  policy: make("policy"),
  duplicate: make("duplicate"),
  notFound: make("not_found"),
  unsupported: make("unsupported"),
  transient: make("transient"),
  permanent: make("permanent"),
  ambiguous: make("ambiguous"),
  /** The fault for one input that breaks one rule, known before anything was sent. */
  violation: (key: string, v: Violation): Fault =>
    new Fault("invalid", key, v.message, { source: "plugin", violations: [v] }),
};

/**
 * The fault that a thrown value is. One that is no Fault says that the plugin
 * broke: ambiguous if the step was a commit, else transient.
 */
export function faultOf(error: unknown, commit: boolean): Fault {
  if (error instanceof Fault) return error;
  return new Fault(commit ? "ambiguous" : "transient", "plugin.broken", "The connection to this platform failed.", {
    source: "plugin",
    cause: error,
  });
}
