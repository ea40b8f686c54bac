/**
 * What a plugin is told and what it answers. Durations are milliseconds, times
 * are `Date`, sizes are bytes and pixels. A field that the host did not fill is
 * "", 0, false, [] or {}; only fields marked optional can be undefined.
 */

/** A value that survives JSON. */
export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What the host knows of a platform without calling the plugin. */
export interface Manifest {
  /** Reverse DNS, immutable: "org.joinmastodon". */
  id: string;
  name: string;
  /** Semantic version of the plugin. */
  version: string;
  summary?: string;
  homepage?: string;
  auth: Auth;
  /** The hosts that the plugin may talk to: "api.x.com", "*.googleapis.com" or "{instance}". */
  egress?: string[];
  quotas?: Quota[];
  formats: Format[];
  /** Only those that no method shows, such as "reply"; the others are read off the plugin. */
  capabilities?: string[];
  /** How a lost commit is resolved: by the platform's own key, by looking, or by a person. */
  dedup: "native_key" | "find" | "none";
  /** How long after a lost commit "absent" is not yet believed. */
  settle?: number;
  /** How long the platform remembers a native key. */
  keyLife?: number;
  apiVersion?: string;
  /** When apiVersion stops working. */
  sunset?: Date;
  /** The shape of a step's state, raised when an older version of the plugin could not read it. */
  stateVersion?: number;
  /** The shapes that this version goes on with; empty means stateVersion alone. */
  readsState?: number[];
  /** What a capability needs besides: it is off where the sign-in did not bring it, and the rest works. */
  capabilityScopes?: { capability: string; scopes: string[] }[];
  /** JSON Schema of what an operator sets for everybody, such as a client id. It comes in Call.app. */
  settings?: Json;
}

export interface Auth {
  kind: "none" | "oauth2" | "form" | "custom";
  oauth2?: OAuth2;
  /** JSON Schema of the first form; fields with format "password" are sealed. */
  form?: Json;
}

/** In URLs "{instance}" stands for the account's own server. */
export interface OAuth2 {
  authorizeUrl: string;
  tokenUrl: string;
  revokeUrl?: string;
  registerUrl?: string;
  scopes: string[];
  pkce?: boolean;
  authorizeParams?: Record<string, string>;
  basicClientAuth?: boolean;
  singleUseRefresh?: boolean;
}

export type QuotaScope = "app" | "tenant" | "account";

export interface Quota {
  id: string;
  scope: QuotaScope;
  limit: number;
  window: number;
}

export interface Format {
  id: string;
  name: string;
  text: TextRule;
  media?: MediaRule;
  /** JSON Schema of Content.settings. */
  settings?: Json;
  scopes?: string[];
}

export interface TextRule {
  max?: number;
  count: "codepoints" | "graphemes" | "utf16" | "bytes" | "x_weighted";
  maxBytes?: number;
  urlWeight?: number;
  optional?: boolean;
}

export type MediaKind = "image" | "video" | "audio";

export interface MediaRule {
  kinds?: MediaKind[];
  max?: number;
  mimes?: string[];
  maxBytes?: number;
  maxWidth?: number;
  maxHeight?: number;
  maxAlt?: number;
}

/** What every request carries. */
export interface Call {
  /** A pseudonym, stable per plugin and useless elsewhere. */
  tenant: string;
  credential: Credential;
  /** What the operator configured. */
  app: Record<string, string>;
  locale: string;
  /** Set on each call that may have an effect, the same on every retry of it. */
  idempotencyKey: string;
}

/** Lent for one call: do not keep it, do not log it. */
export interface Credential {
  accessToken: string;
  secrets?: Record<string, string>;
  /** What is not secret: instance, page id. */
  public?: Record<string, string>;
  scopes?: string[];
  expiresAt?: Date;
}

export interface Account {
  id: string;
  handle?: string;
  name?: string;
  avatarUrl?: string;
  url?: string;
  type?: string;
  /** Subset of the manifest's; empty means all. */
  formats?: string[];
  limits?: Limits;
  public?: Record<string, string>;
}

export interface Limits {
  maxText?: number;
  maxMedia?: number;
  maxMediaBytes?: number;
  maxAlt?: number;
  urlWeight?: number;
}

export interface Ref {
  id: string;
  url?: string;
  extra?: Record<string, string>;
}

/** Exactly one object on a platform. */
export interface Content {
  format: string;
  text: string;
  media: Media[];
  settings?: { [key: string]: Json };
  replyTo?: Ref;
  root?: Ref;
  languages: string[];
  at?: Date;
}

/** One attachment. Its url answers GET and HEAD with ranges, for this call only. */
export interface Media {
  id: string;
  kind: MediaKind;
  mime: string;
  bytes: number;
  sha256: string;
  width: number;
  height: number;
  duration?: number;
  alt: string;
  url: string;
}

export interface PublishRequest<State = unknown> {
  call: Call;
  account: Account;
  content: Content;
  /** What the previous step left; undefined on the first. */
  state?: State;
  /** The host has recorded durably that this step is the commit. */
  commit: boolean;
  /** Counts commits, from 1. */
  attempt: number;
}

/** Asks for another call. */
export interface Next<State = unknown> {
  /** JSON, at most 16 KiB, persisted before the next step. */
  state?: State;
  /** Do not call earlier. */
  after?: number;
  /** The next step is irreversible. */
  commit?: boolean;
  /** For people, such as "waiting for a video to be processed". */
  label?: string;
}

/** The platform's proof of publication. */
export interface Receipt {
  ref: Ref;
  status: "live" | "processing" | "in_review";
  publishedAt?: Date;
  warnings?: string[];
}

export type Step<State = unknown> = { next: Next<State> } | { receipt: Receipt };

export interface FindRequest<State = unknown> {
  call: Call;
  account: Account;
  content: Content;
  state?: State;
  /** When the first commit was armed. */
  since?: Date;
  /**
   * Set only for a plugin with the capability "status": the object is known, and the question is how public it is
   * now. "absent" means that the platform took it back.
   */
  ref?: Ref;
  /**
   * Names of objects that stand for other posts. Who goes by what an object looks like passes over them: two posts
   * may say the same.
   */
  taken?: string[];
  /**
   * State and key may not be those of the commit: a restored copy of the database does not know what happened after it
   * was made, and the commit may have been at any time since `since`. Who does not find it by them looks for what
   * looks like it.
   */
  restored?: boolean;
}

export type Finding =
  | { verdict: "found"; receipt: Receipt }
  | { verdict: "absent" }
  | { verdict: "unsure"; after: number };

export interface ConnectRequest<State = unknown> {
  call: Call;
  state?: State;
  /** Form values, or the callback's query. */
  input: Record<string, string>;
  redirectUri: string;
}

export type ConnectStep<State = unknown> = { state?: State } & (
  | { redirectUrl: string }
  | { form: Json }
  | { done: Credential }
);

export interface MetricsRequest {
  call: Call;
  account: Account;
  posts: Ref[];
}

export interface MetricSet {
  ref: Ref;
  /** impressions, reach, likes, comments, shares, saves, clicks */
  values: Record<string, number>;
  at?: Date;
}
