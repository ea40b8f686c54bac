import type { Plugin } from "./plugin.js";
import type { Format, Manifest } from "./types.js";

/** The capabilities that a method shows. */
const SHOWN = { find: "find", connect: "connect", accounts: "accounts", refresh: "refresh", metrics: "metrics.post" } as const;

const ID = /^[a-z0-9]+(-[a-z0-9]+)*(\.[a-z0-9]+(-[a-z0-9]+)*)+$/;
const VERSION = /^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/;
const SLUG = /^[a-z][a-z0-9_.-]{0,63}$/;
const HOST = /^(\*\.)?[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*(:\d{1,5})?$/;

/**
 * The manifest with the capabilities that the plugin's methods show. It throws
 * for one that a host would refuse; the host checks more than this.
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

function checkManifest(m: Manifest): void {
  if (!ID.test(m.id)) throw invalid("id", `"${m.id}" is not a reverse domain name`);
  if (!m.name) throw invalid("name", "need 1 to 100 bytes");
  if (!VERSION.test(m.version)) throw invalid("version", `"${m.version}" is not a semantic version`);
  for (const h of m.egress ?? []) {
    if (h !== "{instance}" && !HOST.test(h)) throw invalid("egress", `"${h}" is not a host`);
  }
  for (const q of m.quotas ?? []) {
    if (!SLUG.test(q.id) || !(q.limit > 0) || !(q.window > 0)) throw invalid("quotas", `"${q.id}" needs a slug, a limit and a window`);
  }
  if (m.settings !== undefined && !isObject(m.settings)) throw invalid("settings", "not a JSON object");
  checkAuth(m);
  checkFormats(m.formats);
  checkRecovery(m);
}

function checkAuth(m: Manifest): void {
  const { kind, oauth2, form } = m.auth;
  if (kind === "oauth2" && !(oauth2?.authorizeUrl && oauth2.tokenUrl)) throw invalid("auth/oauth2", "missing");
  if (kind !== "form" && kind !== "custom") return;
  if (!m.capabilities?.includes("connect")) throw invalid("auth", `${kind} needs connect`);
  if (kind === "form" && !isObject(form)) throw invalid("auth/form", "not a JSON object");
}

function checkFormats(formats: Format[]): void {
  if (formats.length < 1 || formats.length > 50) throw invalid("formats", "need 1 to 50");
  const seen = new Set<string>();
  for (const [i, f] of formats.entries()) {
    if (!SLUG.test(f.id) || seen.has(f.id)) throw invalid(`formats/${i}/id`, `"${f.id}" is not a slug of its own`);
    seen.add(f.id);
    if (f.settings !== undefined && !isObject(f.settings)) throw invalid(`formats/${i}/settings`, "not a JSON object");
  }
}

function checkRecovery(m: Manifest): void {
  if (m.dedup !== "none" && !m.capabilities?.includes("find")) throw invalid("dedup", `${m.dedup} needs find`);
  if (m.dedup === "native_key" && !((m.keyLife ?? 0) > 0)) throw invalid("keyLife", "native_key must say how long a key is remembered");
}

function isObject(v: unknown): boolean {
  return typeof v === "object" && v !== null && !Array.isArray(v);
}
