import type { Plugin } from "./plugin.js";
import type { Format, MediaRule, Manifest, OAuth2, TextRule } from "./types.js";

/** The capabilities that a method shows. */
const SHOWN = { find: "find", connect: "connect", accounts: "accounts", refresh: "refresh", metrics: "metrics.post" } as const;

const ID = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$/;
const VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;
const SLUG = /^[a-z][a-z0-9_.-]{0,63}$/;
const HOST = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:\d{1,5})?$/;

const COUNTS = ["codepoints", "graphemes", "utf16", "bytes", "x_weighted"];
const KINDS = ["image", "video", "audio"];

// What a manifest may hold.
const MAX_NAME = 100;
const MAX_LIST = 200;
const MAX_SCHEMA = 64 << 10;
const MAX_FIGURE = 2 ** 40;
const MAX_STATE_VERSION = 2 ** 30;

/**
 * The manifest with the capabilities that the plugin's methods show. It throws
 * for one that a host would refuse: the rules are those of the host.
 */
export function describe(plugin: Plugin): Manifest {
  const methods = Object.entries(SHOWN);
  const declared = plugin.manifest.capabilities ?? [];
  const have: string[] = methods.filter(([method]) => typeof plugin[method as keyof typeof SHOWN] === "function").map(([, c]) => c);
  for (const c of declared) {
    if (methods.some(([, shown]) => shown === c) && !have.includes(c)) {
      throw invalid("capabilities", `"${c}" is declared, but the plugin has no method for it`);
    }
  }
  const manifest = { ...plugin.manifest, capabilities: [...have, ...declared.filter((c) => !have.includes(c))] };
  checkManifest(manifest);
  return manifest;
}

function invalid(field: string, why: string): Error {
  return new Error(`manifest.invalid: ${field}: ${why}`);
}

const bytes = (text: string): number => new TextEncoder().encode(text).length;

function checkManifest(m: Manifest): void {
  checkIdentity(m);
  checkAuth(m);
  checkEgress(m.egress ?? []);
  checkQuotas(m);
  checkFormats(m.formats);
  checkRecovery(m);
  checkStates(m);
  if (m.settings !== undefined) checkSchema("settings", m.settings);
}

function checkIdentity(m: Manifest): void {
  if (bytes(m.id) > MAX_NAME || !ID.test(m.id)) throw invalid("id", `"${m.id}" is not a reverse domain name`);
  if (!m.name || bytes(m.name) > MAX_NAME) throw invalid("name", "need 1 to 100 bytes");
  if (bytes(m.version) > MAX_NAME || !VERSION.test(m.version)) throw invalid("version", `"${m.version}" is not a semantic version`);
  if (bytes(m.summary ?? "") > 1000) throw invalid("summary", "over 1000 bytes");
  if (m.homepage && !isURL(m.homepage)) throw invalid("homepage", `"${m.homepage}" is not an https address`);
  const can = m.capabilities ?? [];
  if (can.length > MAX_LIST) throw invalid("capabilities", "over 200");
  for (const c of can) if (!SLUG.test(c)) throw invalid("capabilities", `"${c}" is not a slug`);
  const needs = m.capabilityScopes ?? [];
  if (needs.length > MAX_LIST) throw invalid("capability_scopes", "over 200");
  for (const { capability, scopes } of needs) {
    if (!can.includes(capability) || scopes.length < 1 || scopes.length > MAX_LIST) {
      throw invalid("capability_scopes", `"${capability}" needs to be declared, and 1 to 200 scopes`);
    }
  }
  if (can.includes("status") && !can.includes("find")) throw invalid("capabilities", `"status" needs "find"`);
}

function checkEgress(hosts: string[]): void {
  if (hosts.length > MAX_LIST) throw invalid("egress", "over 200 hosts");
  for (const h of hosts) {
    if (h === "{instance}") continue;
    if (bytes(h) > 260 || !HOST.test(h)) throw invalid("egress", `"${h}" is not a host`);
    const name = h.replace(/:\d+$/, "");
    if (name.startsWith("*.") && !name.slice(2).includes(".")) throw invalid("egress", `"${h}" is every name of a top-level domain`);
  }
}

function checkQuotas(m: Manifest): void {
  const quotas = m.quotas ?? [];
  if (quotas.length > MAX_LIST) throw invalid("quotas", "over 200");
  for (const q of quotas) {
    if (!SLUG.test(q.id) || !["app", "tenant", "account"].includes(q.scope) || !(q.limit > 0) || !(q.window > 0)) {
      throw invalid("quotas", `"${q.id}" needs a slug, a known scope, a limit and a window`);
    }
  }
}

function checkAuth(m: Manifest): void {
  const { kind, oauth2, form } = m.auth;
  if (!["none", "oauth2", "form", "custom"].includes(kind)) throw invalid("auth/kind", `"${kind}" is unknown`);
  if (kind === "oauth2") checkOAuth2(oauth2);
  if (kind !== "form" && kind !== "custom") return;
  if (!m.capabilities?.includes("connect")) throw invalid("auth", `${kind} needs connect`);
  if (kind === "form" || form !== undefined) checkSchema("auth/form", form);
}

function checkOAuth2(o: OAuth2 | undefined): void {
  if (!o) throw invalid("auth/oauth2", "missing");
  for (const [field, url, needed] of [
    ["authorize_url", o.authorizeUrl, true],
    ["token_url", o.tokenUrl, true],
    ["revoke_url", o.revokeUrl, false],
    ["register_url", o.registerUrl, false],
  ] as const) {
    if (url ? !isURL(url) : needed) throw invalid(`auth/oauth2/${field}`, `"${url}" is not an address`);
  }
  if (o.scopes.length > MAX_LIST || Object.keys(o.authorizeParams ?? {}).length > MAX_LIST) {
    throw invalid("auth/oauth2", "over 200 scopes or parameters");
  }
}

/** https anywhere, http on loopback; "{instance}" stands for a host. */
function isURL(text: string): boolean {
  const raw = text.replaceAll("{instance}", "instance.invalid");
  if (bytes(text) > 2000 || !/^https?:\/\/[^/]/.test(raw) || !URL.canParse(raw)) return false;
  const url = new URL(raw);
  if (url.username !== "" || url.password !== "" || /^[^/]*\/\/[^/?#]*@/.test(raw)) return false;
  return url.protocol === "https:" || ["localhost", "127.0.0.1", "[::1]"].includes(url.hostname);
}

function checkFormats(formats: Format[]): void {
  if (formats.length < 1 || formats.length > 50) throw invalid("formats", "need 1 to 50");
  const seen = new Set<string>();
  for (const [i, f] of formats.entries()) {
    if (!SLUG.test(f.id) || seen.has(f.id)) throw invalid(`formats/${i}/id`, `"${f.id}" is not a slug of its own`);
    seen.add(f.id);
    checkFormat(`formats/${i}`, f);
  }
}

function checkFormat(at: string, f: Format): void {
  if (!COUNTS.includes(f.text.count)) throw invalid(`${at}/text/count`, `"${f.text.count}" is unknown`);
  const media = f.media ?? {};
  if (!figuresOf(f.text, media).every((n) => n >= 0 && n <= MAX_FIGURE)) throw invalid(at, "a limit is negative or absurd");
  if ((media.mimes ?? []).length > MAX_LIST || (f.scopes ?? []).length > MAX_LIST) throw invalid(at, "over 200 media types or scopes");
  for (const k of media.kinds ?? []) if (!KINDS.includes(k)) throw invalid(`${at}/media/kinds`, `"${k}" is unknown`);
  if (f.settings !== undefined) checkSchema(`${at}/settings`, f.settings);
}

function figuresOf(t: TextRule, m: MediaRule): number[] {
  return [t.max, t.maxBytes, t.urlWeight, m.max, m.maxBytes, m.maxWidth, m.maxHeight, m.maxAlt].map((n) => n ?? 0);
}

function checkRecovery(m: Manifest): void {
  if (!["native_key", "find", "none"].includes(m.dedup)) throw invalid("dedup", `"${m.dedup}" is unknown`);
  if (m.dedup !== "none" && !m.capabilities?.includes("find")) throw invalid("dedup", `${m.dedup} needs find`);
  if (m.dedup === "native_key" && !((m.keyLife ?? 0) > 0)) throw invalid("key_life", "native_key must say how long a key is remembered");
  if ((m.settle ?? 0) < 0 || (m.keyLife ?? 0) < 0) throw invalid("settle", "negative");
}

function checkStates(m: Manifest): void {
  const sound = (v: number): boolean => Number.isInteger(v) && v >= 0 && v <= MAX_STATE_VERSION;
  if (!sound(m.stateVersion ?? 0)) throw invalid("state_version", `${m.stateVersion} is not between 0 and ${MAX_STATE_VERSION}`);
  const reads = m.readsState ?? [];
  if (reads.length > MAX_LIST || !reads.every(sound)) throw invalid("reads_state", `need at most 200 between 0 and ${MAX_STATE_VERSION}`);
}

function checkSchema(field: string, v: unknown): void {
  if (typeof v !== "object" || v === null || Array.isArray(v)) throw invalid(field, "not a JSON object");
  if (bytes(JSON.stringify(v)) > MAX_SCHEMA) throw invalid(field, "over 64 KiB");
}
