import type { Note } from "./context.js";
import type { Call, Manifest } from "./types.js";

/** A shorter value would turn ordinary words into ***. */
const LEAST = 4;

/**
 * What strikes out of a text what a call lends, in every form in which a text
 * may have it: the credential, and what the operator set under names that the
 * manifest's settings give the format password. The longest goes first: one
 * secret may begin with another.
 */
export function striker(manifest: Manifest, call?: Call): (text: string) => string {
  const { properties } = (manifest.settings ?? {}) as { properties?: Record<string, { format?: unknown } | null> };
  const set = Object.entries(call?.app ?? {}).filter(([name]) => properties?.[name]?.format === "password");
  const lent = [call?.credential?.accessToken, ...Object.values(call?.credential?.secrets ?? {}), ...set.map(([, value]) => value)];
  const forms = lent
    .filter((s): s is string => (s?.length ?? 0) >= LEAST)
    .flatMap((s) => [s, encodeURI(s), encodeURIComponent(s), new URLSearchParams({ s }).toString().slice(2), JSON.stringify(s).slice(1, -1)])
    .sort((a, b) => b.length - a.length);
  return (text) => forms.reduce((out, secret) => out.replaceAll(secret, "***"), text);
}

/** A note without what was lent: some platforms want a token in the path. */
export function discreet(note: Note, strike: (text: string) => string): Note {
  return { ...note, host: strike(note.host), path: strike(note.path), requestId: strike(note.requestId) };
}
